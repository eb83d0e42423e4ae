import { Anchor, Group } from '@mantine/core';
import type { LinkProps } from '@tanstack/react-router';
import { router } from '../app/router';

/** Says what an action did, with a link to the result. Notifications are outside of the router. */
export function Done({ text, link, to }: { text: string; link?: string; to?: LinkProps }) {
  const { href } = to ? router.buildLocation(to as Parameters<typeof router.buildLocation>[0]) : { href: '' };
  return (
    <Group gap="sm">
      <span>{text}</span>
      {link && (
        <Anchor
          href={href}
          size="sm"
          onClick={(event) => {
            event.preventDefault();
            router.history.push(href);
          }}
        >
          {link}
        </Anchor>
      )}
    </Group>
  );
}
