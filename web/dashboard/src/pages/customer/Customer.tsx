import { Page } from '../../parts/Page';
import { common } from '../../texts/common';

export default function Customer() {
  return <Page title={common.nav.customers}>{null}</Page>;
}
