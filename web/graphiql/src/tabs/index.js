import { StorageAPI } from '@graphiql/toolkit';
import redeemCoupon from './10-redeem-coupon.graphql?raw';
import redeemCouponVariables from './10-redeem-coupon.json?raw';
import createTaxRate from './11-create-tax-rate.graphql?raw';
import createTaxRateVariables from './11-create-tax-rate.json?raw';
import registerForTax from './12-register-for-tax.graphql?raw';
import registerForTaxVariables from './12-register-for-tax.json?raw';
import createCustomer from './1-create-customer.graphql?raw';
import createCustomerVariables from './1-create-customer.json?raw';
import createPlan from './2-create-plan.graphql?raw';
import createPlanVariables from './2-create-plan.json?raw';
import createSubscription from './3-create-subscription.graphql?raw';
import createSubscriptionVariables from './3-create-subscription.json?raw';
import customers from './4-customers.graphql?raw';
import recordPayment from './5-record-payment.graphql?raw';
import recordPaymentVariables from './5-record-payment.json?raw';
import createTestClock from './6-create-test-clock.graphql?raw';
import createTestClockVariables from './6-create-test-clock.json?raw';
import createTestCustomer from './7-create-test-customer.graphql?raw';
import createTestCustomerVariables from './7-create-test-customer.json?raw';
import createTestSubscription from './8-create-test-subscription.graphql?raw';
import createTestSubscriptionVariables from './8-create-test-subscription.json?raw';
import advanceTestClock from './9-advance-test-clock.graphql?raw';
import advanceTestClockVariables from './9-advance-test-clock.json?raw';

// Random for each browser, so that the addresses and the code are not taken yet if another browser has run the tabs.
const suffix = Math.random().toString(36).slice(2, 8);
const unique = (variables) => variables.replaceAll('<suffix>', suffix);

/**
 * What a first visit finds: the way from a customer to its first invoice and its payment, a year of billing on a test
 * clock, a coupon and taxes. Later visits find their own tabs.
 */
export const tabs = [
  { query: createCustomer, variables: unique(createCustomerVariables) },
  { query: createPlan, variables: unique(createPlanVariables) },
  { query: createSubscription, variables: createSubscriptionVariables },
  { query: customers },
  { query: recordPayment, variables: recordPaymentVariables },
  { query: createTestClock, variables: createTestClockVariables },
  { query: createTestCustomer, variables: unique(createTestCustomerVariables) },
  { query: createTestSubscription, variables: createTestSubscriptionVariables },
  { query: advanceTestClock, variables: advanceTestClockVariables },
  { query: redeemCoupon, variables: unique(redeemCouponVariables) },
  { query: createTaxRate, variables: createTaxRateVariables },
  { query: registerForTax, variables: registerForTaxVariables },
];

/** Titles of these tabs, which GraphiQL takes from the names of their operations. */
export const titles = tabs.map(({ query }) => /^(?:query|mutation) (\w+)/m.exec(query)[1]);

/**
 * A document that another page hands over, in the fragment of the address: `#query=…&variables=…`. It is shown in a tab
 * of its own, and never run by itself. Null if there is none.
 */
export const handedOver = readFragment();

function readFragment() {
  const fragment = new URLSearchParams(window.location.hash.slice(1));
  const query = fragment.get('query');
  if (!query) return null;
  // Loading the page again shows the tab as the user left it.
  window.history.replaceState(null, '', window.location.pathname);
  return { query, variables: fragment.get('variables') ?? '' };
}

/**
 * The tab GraphiQL opens with. It has to be told: by itself GraphiQL 5.4 shows the query of its first tab without the
 * variables, until the user leaves the tab and comes back.
 */
export function openingTab() {
  if (handedOver) return handedOver;
  try {
    const { tabs: stored, activeTabIndex } = JSON.parse(new StorageAPI().get('tabState'));
    return stored[activeTabIndex] ?? tabs[0];
  } catch {
    return tabs[0]; // Nothing is stored, or nothing that can be read: GraphiQL then takes the default tabs, too.
  }
}
