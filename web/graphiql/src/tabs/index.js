import { StorageAPI } from '@graphiql/toolkit';
import createCustomer from './1-create-customer.graphql?raw';
import createCustomerVariables from './1-create-customer.json?raw';
import createPlan from './2-create-plan.graphql?raw';
import createPlanVariables from './2-create-plan.json?raw';
import createSubscription from './3-create-subscription.graphql?raw';
import createSubscriptionVariables from './3-create-subscription.json?raw';
import customers from './4-customers.graphql?raw';

/** What a first visit finds: the way from a customer to its first invoice. Later visits find their own tabs. */
export const tabs = [
  { query: createCustomer, variables: createCustomerVariables },
  { query: createPlan, variables: createPlanVariables },
  { query: createSubscription, variables: createSubscriptionVariables },
  { query: customers },
];

/**
 * The tab GraphiQL opens with. It has to be told: by itself GraphiQL 5.4 shows the query of its first tab without the
 * variables, until the user leaves the tab and comes back.
 */
export function openingTab() {
  try {
    const { tabs: stored, activeTabIndex } = JSON.parse(new StorageAPI().get('tabState'));
    return stored[activeTabIndex] ?? tabs[0];
  } catch {
    return tabs[0]; // Nothing is stored, or nothing that can be read: GraphiQL then takes the default tabs, too.
  }
}
