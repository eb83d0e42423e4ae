import { createTheme, Tooltip, type CSSVariablesResolver } from '@mantine/core';

export const theme = createTheme({
  primaryColor: 'indigo',
  primaryShade: { light: 7, dark: 7 },
  defaultRadius: 'md',
  // Slightly blue, as the page is.
  colors: {
    dark: ['#e6e8ee', '#c3c8d4', '#a3aabb', '#7d8598', '#454c5b', '#363c49', '#20242d', '#191c23', '#14171d', '#101218'],
  },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  headings: { fontWeight: '650', sizes: { h1: { fontSize: '1.375rem' }, h2: { fontSize: '1.0625rem' } } },
  cursorType: 'pointer',
  components: {
    Tooltip: Tooltip.extend({ defaultProps: { withArrow: true, openDelay: 200 } }),
  },
});

/** Makes secondary texts and placeholders dark enough to read. */
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#ffffff',
    '--mantine-color-text': '#1c2230',
    '--mantine-color-dimmed': '#565e70',
    '--mantine-color-placeholder': '#656d7e',
    '--mantine-color-error': '#c0202c',
    '--mantine-color-anchor': '#3848b8',
    '--page': '#f6f7f9',
    '--line': '#e3e6ec',
    '--hover': '#f4f5f9',
  },
  dark: {
    '--mantine-color-body': '#191c23',
    '--mantine-color-text': '#e6e8ee',
    '--mantine-color-dimmed': '#a3aabb',
    '--mantine-color-placeholder': '#9097a8',
    '--mantine-color-error': '#ff9a9a',
    '--mantine-color-anchor': '#a5b4ff',
    '--mantine-color-default': '#20242d',
    '--mantine-color-default-hover': '#272c37',
    '--mantine-color-default-border': '#363c49',
    '--page': '#12141a',
    '--line': '#2c313c',
    '--hover': '#20242d',
  },
});
