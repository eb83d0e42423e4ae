import { Page } from '../../parts/Page';
import { common } from '../../texts/common';

export default function Overview() {
  return <Page title={common.nav.overview}>{null}</Page>;
}
