import { pick, useGraphiQL } from '@graphiql/react';
import { StorageAPI } from '@graphiql/toolkit';
import { useEffect } from 'react';
import { titles } from './tabs/index.js';

/**
 * Lets one tab go on where another ended: the ids that answers bring are remembered, and written into the variables of
 * the tabs in place of these placeholders. A request that still holds a placeholder is not sent.
 */
const created = [
  {
    placeholder: '<id of the customer>',
    tab: 'CreateCustomer',
    idIn: (data) => data.createCustomer?.customer?.id,
  },
  {
    placeholder: '<id of the plan>',
    tab: 'CreatePlan',
    idIn: (data) => data.createPlan?.plan?.id,
  },
  {
    placeholder: '<id of the test clock>',
    tab: 'CreateTestClock',
    idIn: (data) => data.createTestClock?.testClock?.id,
  },
  {
    placeholder: '<id of the test customer>',
    tab: 'CreateTestCustomer',
    idIn: (data) => data.testCustomer?.customer?.id,
  },
  {
    placeholder: '<id of the tax rate>',
    tab: 'CreateTaxRate',
    idIn: (data) => data.createTaxRate?.taxRate?.id,
  },
];

// GraphiQL's own storage, so that its "Clear storage" forgets the ids as well.
const storage = new StorageAPI();

let session;

/** Gives `rememberingIds` the tabs and the editor of the variables. Shows nothing. */
export function IdsInTabs() {
  const current = useGraphiQL(pick('tabs', 'activeTabIndex', 'variableEditor'));
  useEffect(() => {
    session = current;
  });
  return null;
}

/** Returns a fetcher that remembers ids, and fills in those that it knows. */
export function rememberingIds(fetcher) {
  return async (request, options) => {
    let variables = JSON.stringify(request.variables) ?? '';
    const used = created.filter(({ placeholder }) => variables.includes(placeholder));
    for (const { placeholder } of used) {
      // Known to another window, for example.
      const id = storage.get(placeholder);
      if (!id) continue;
      variables = variables.replaceAll(placeholder, id);
      replaceInTabs(placeholder, id);
    }
    const missing = used.filter(({ placeholder }) => variables.includes(placeholder));
    if (missing.length) return { errors: missing.map(runFirst) };

    const answer = await fetcher({ ...request, variables: variables ? JSON.parse(variables) : undefined }, options);
    for (const { placeholder, idIn } of created) {
      const id = answer?.data && idIn(answer.data);
      if (!id) continue;
      replaceInTabs(placeholder, id);
      const previous = storage.get(placeholder);
      if (previous) replaceInTabs(previous, id);
      storage.set(placeholder, id);
    }
    return answer;
  };
}

function runFirst({ placeholder, tab }) {
  return { message: `Request not sent. Run the tab ${tab} first: the ${placeholder.slice(1, -1)} is filled in here.` };
}

/** Replaces a text in the variables of the tabs that the playground brings. The user's own tabs stay as they are. */
function replaceInTabs(text, id) {
  const { tabs, activeTabIndex, variableEditor } = session;
  tabs.forEach((tab, index) => {
    if (!titles.includes(tab.title)) return;
    const isActive = index === activeTabIndex;
    const variables = (isActive ? variableEditor.getValue() : tab.variables) ?? '';
    if (!variables.includes(text)) return;
    const filledIn = variables.replaceAll(text, id);
    if (isActive) variableEditor.setValue(filledIn);
    // GraphiQL has no action for the tabs in the background. It stores them when it shows the answer.
    else tab.variables = filledIn;
  });
}
