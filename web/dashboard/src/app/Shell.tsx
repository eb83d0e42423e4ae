import { ActionIcon, Alert, Burger, Button, Group, Menu, NavLink, Text } from '@mantine/core';
import { useMantineColorScheme, VisuallyHidden } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  IconBuildingStore,
  IconCode,
  IconDeviceDesktop,
  IconFileInvoice,
  IconKey,
  IconLayoutDashboard,
  IconMoon,
  IconPlayerPlay,
  IconReceipt2,
  IconSun,
  IconTag,
  IconUsers,
  IconWebhook,
  type Icon,
} from '@tabler/icons-react';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useRef } from 'react';
import { common } from '../texts/common';
import { useConnectionLost } from './connection';
import { changeKey, useAccess } from './key';
import { followEvents } from './live';
import { refresh } from './refresh';
import { Search } from './Search';
import { Session, useSession } from './session';

// Most servers on a developer's machine need no key.
const KeyDialog = lazy(() => import('./KeyDialog'));

/** The main navigation, in the order in which it is shown. Each entry is a page with all pages below it. */
const ENTRIES: { to: string; text: string; icon: Icon; admin?: true }[] = [
  { to: '/', text: common.nav.overview, icon: IconLayoutDashboard },
  { to: '/customers', text: common.nav.customers, icon: IconUsers },
  { to: '/invoices', text: common.nav.invoices, icon: IconFileInvoice },
  { to: '/plans', text: common.nav.plans, icon: IconReceipt2 },
  { to: '/coupons', text: common.nav.coupons, icon: IconTag },
  { to: '/runs', text: common.nav.runs, icon: IconPlayerPlay },
  { to: '/webhooks', text: common.nav.webhooks, icon: IconWebhook, admin: true },
  { to: '/keys', text: common.nav.keys, icon: IconKey, admin: true },
  { to: '/settings', text: common.nav.settings, icon: IconBuildingStore },
];

/** The frame of all pages: header, navigation, content. */
export function Shell() {
  const { refused } = useAccess();
  return (
    <>
      {refused && (
        <Suspense>
          <KeyDialog />
        </Suspense>
      )}
      <Session waiting={(failed) => <Waiting failed={failed} />}>
        <Frame />
      </Session>
    </>
  );
}

/** A customer session sees one customer only, which is not what these pages are for. */
function NoSession() {
  return (
    <main className="waiting">
      <h1>{common.key.title}</h1>
      <Text>{common.key.session}</Text>
      <Button variant="default" onClick={forgetKey}>
        {common.key.signOut}
      </Button>
    </main>
  );
}

/** A new page forgets everything that was read with the key. */
function forgetKey() {
  changeKey('', { remember: false });
  window.location.reload();
}

function Waiting({ failed }: { failed: boolean }) {
  const { refused } = useAccess();
  return (
    <main className="waiting">
      <h1>
        <VisuallyHidden>{common.product}</VisuallyHidden>
      </h1>
      {failed && !refused && (
        <>
          <Text>{common.errors.network}</Text>
          <Button variant="default" onClick={refresh}>
            {common.retry}
          </Button>
        </>
      )}
    </main>
  );
}

function Frame() {
  const { scope } = useSession();
  return scope === 'CUSTOMER' ? <NoSession /> : <Pages />;
}

function Pages() {
  const [opened, { toggle, close }] = useDisclosure();
  const { pathname } = useLocation();
  const { key } = useAccess();
  useEffect(close, [pathname]);
  useFocusOnNewPage(pathname);
  useEffect(followEvents, [key]);
  return (
    <div className="frame">
      <a className="skip" href="#content">
        {common.skip}
      </a>
      <header className="header">
        <Burger
          opened={opened}
          onClick={toggle}
          hiddenFrom="sm"
          size="sm"
          aria-label={opened ? common.closeMenu : common.menu}
          aria-expanded={opened}
          aria-controls="navigation"
        />
        <Link to="/" className="brand">
          <img src={new URL('./icon.svg', import.meta.url).href} alt="" width={26} height={26} />
          <span>{common.product}</span>
        </Link>
        <Search />
        <Group gap={4} wrap="nowrap">
          <SchemeMenu />
          <KeyMenu />
        </Group>
      </header>
      <nav id="navigation" aria-label={common.nav.label} className={opened ? 'navbar opened' : 'navbar'}>
        <Navigation pathname={pathname} />
      </nav>
      <main id="content" tabIndex={-1} className="main">
        <div className="content">
          <ConnectionLost />
          <Outlet />
        </div>
      </main>
    </div>
  );
}

/** Moves the focus to the content of another page, so that a screen reader and the next Tab start there. */
function useFocusOnNewPage(pathname: string) {
  const shown = useRef(pathname);
  useEffect(() => {
    if (shown.current === pathname) return;
    shown.current = pathname;
    document.getElementById('content')?.focus({ preventScroll: true });
  }, [pathname]);
}

function Navigation({ pathname }: { pathname: string }) {
  const { isAdmin } = useSession();
  return (
    <>
      {ENTRIES.filter(({ admin }) => !admin || isAdmin).map(({ to, text, icon: Icon }) => {
        const active = to === '/' ? pathname === '/' : pathname === to || pathname.startsWith(`${to}/`);
        return (
          <NavLink
            key={to}
            component={Link}
            {...({ to } as object)}
            label={text}
            leftSection={<Icon size={18} stroke={1.7} aria-hidden />}
            active={active}
            aria-current={active ? 'page' : undefined}
            className="nav-link"
          />
        );
      })}
      <NavLink
        component="a"
        href="/graphql"
        mt="auto"
        label={common.nav.playground}
        leftSection={<IconCode size={18} stroke={1.7} aria-hidden />}
        className="nav-link"
      />
    </>
  );
}

function ConnectionLost() {
  const lost = useConnectionLost();
  return (
    <div role="status">
      {lost && (
        <Alert color="orange" variant="outline" mb="md" py="xs">
          <Group justify="space-between" gap="xs">
            <Text size="sm">{common.connection.lost}</Text>
            <Button size="compact-sm" variant="default" onClick={refresh}>
              {common.connection.retry}
            </Button>
          </Group>
        </Alert>
      )}
    </div>
  );
}

const SCHEMES = { light: IconSun, dark: IconMoon, auto: IconDeviceDesktop } as const;

function SchemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Current = SCHEMES[colorScheme];
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" size="lg" className="quiet" aria-label={common.scheme.label}>
          <Current size={19} stroke={1.7} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.RadioGroup value={colorScheme} onChange={(scheme) => setColorScheme(scheme as keyof typeof SCHEMES)}>
          {(Object.keys(SCHEMES) as (keyof typeof SCHEMES)[]).map((scheme) => (
            <Menu.RadioItem key={scheme} value={scheme}>
              {common.scheme[scheme]}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
      </Menu.Dropdown>
    </Menu>
  );
}

function KeyMenu() {
  const { key } = useAccess();
  const { scope } = useSession();
  if (!key) return null;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" size="lg" className="quiet" aria-label={common.key.label}>
          <IconKey size={19} stroke={1.7} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label className="dimmed">{common.key.scope[scope]}</Menu.Label>
        <Menu.Item onClick={forgetKey}>{common.key.signOut}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
