import { Button, Text } from '@mantine/core';
import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, type ErrorComponentProps } from '@tanstack/react-router';
import { Empty, Page } from '../parts/Page';
import { common } from '../texts/common';
import { listSearch, textOf, type Search } from './search-params';
import { Shell } from './Shell';

/*
 * The pages by address. Each one is loaded when it is opened. The server returns the dashboard for the first part of
 * each of these addresses: `PAGES` in graph/server/dashboard.py.
 */
const root = createRootRoute({ component: Shell, notFoundComponent: NotFound, errorComponent: Broken });

const routes = [
  createRoute({
    getParentRoute: () => root,
    path: '/',
    component: lazyRouteComponent(() => import('../pages/overview/Overview')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/customers',
    validateSearch: (search: Search) => ({
      ...listSearch(search),
      query: textOf(search['query']),
      status: textOf(search['status']),
      currency: textOf(search['currency']),
      archived: textOf(search['archived']),
    }),
    component: lazyRouteComponent(() => import('../pages/customers/Customers')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/customers/$id',
    validateSearch: (search: Search) => ({ tab: textOf(search['tab']) }),
    component: lazyRouteComponent(() => import('../pages/customer/Customer')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/invoices',
    validateSearch: (search: Search) => ({
      ...listSearch(search),
      number: textOf(search['number']),
      status: textOf(search['status']),
      customer: textOf(search['customer']),
      currency: textOf(search['currency']),
      from: textOf(search['from']),
      until: textOf(search['until']),
    }),
    component: lazyRouteComponent(() => import('../pages/invoices/Invoices')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/invoices/$id',
    component: lazyRouteComponent(() => import('../pages/invoice/Invoice')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/plans',
    validateSearch: (search: Search) => ({
      ...listSearch(search),
      currency: textOf(search['currency']),
      archived: textOf(search['archived']),
    }),
    component: lazyRouteComponent(() => import('../pages/plans/Plans')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/coupons',
    validateSearch: (search: Search) => ({ ...listSearch(search), archived: textOf(search['archived']) }),
    component: lazyRouteComponent(() => import('../pages/coupons/Coupons')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/coupons/$id',
    component: lazyRouteComponent(() => import('../pages/coupons/Coupon')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/runs',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('../pages/runs/Runs')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/keys',
    component: lazyRouteComponent(() => import('../pages/keys/Keys')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/webhooks',
    component: lazyRouteComponent(() => import('../pages/webhooks/Webhooks')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/webhooks/$id',
    validateSearch: (search: Search) => ({ ...listSearch(search), status: textOf(search['status']) }),
    component: lazyRouteComponent(() => import('../pages/webhooks/Webhook')),
  }),
  createRoute({
    getParentRoute: () => root,
    path: '/settings',
    component: lazyRouteComponent(() => import('../pages/settings/Settings')),
  }),
];

export const router = createRouter({
  routeTree: root.addChildren(routes),
  defaultPreload: 'intent',
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

function NotFound() {
  return (
    <Page title={common.errors.notFoundTitle}>
      <Empty title={common.errors.notFound}>
        <Button component={Link} to="/" variant="default" mt="sm">
          {common.errors.backToOverview}
        </Button>
      </Empty>
    </Page>
  );
}

function Broken({ error }: ErrorComponentProps) {
  return (
    <main className="waiting">
      <h1>{common.errors.renderTitle}</h1>
      <Text>{String(error)}</Text>
      <Button variant="default" onClick={() => window.location.reload()}>
        {common.retry}
      </Button>
    </main>
  );
}
