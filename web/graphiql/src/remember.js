import { StorageAPI } from '@graphiql/toolkit';

/**
 * Lets one tab go on where another ended: ids that an answer brings are remembered, and where the variables of a
 * request hold one of these placeholders, the id takes its place before the request is sent. As long as there is none
 * to remember, the placeholder is sent as it is, and the server says that it is no id.
 */
const created = [
  { placeholder: '<id of the customer>', idIn: (data) => data.createCustomer?.customer?.id },
  { placeholder: '<id of the plan>', idIn: (data) => data.createPlan?.plan?.id },
  { placeholder: '<id of the test clock>', idIn: (data) => data.createTestClock?.testClock?.id },
  { placeholder: '<id of the test customer>', idIn: (data) => data.testCustomer?.customer?.id },
];

// GraphiQL's own storage, so that its "Clear storage" forgets the ids as well.
const storage = new StorageAPI();

export function rememberingIds(fetcher) {
  return async (request, options) => {
    const answer = await fetcher({ ...request, variables: filledIn(request.variables) }, options);
    for (const { placeholder, idIn } of created) {
      const id = answer?.data && idIn(answer.data);
      if (id) storage.set(placeholder, id);
    }
    return answer;
  };
}

function filledIn(variables) {
  if (!variables) return variables;
  const known = new Map(created.map(({ placeholder }) => [placeholder, storage.get(placeholder) ?? placeholder]));
  return JSON.parse(JSON.stringify(variables), (_name, value) => known.get(value) ?? value);
}
