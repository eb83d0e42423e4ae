import '@mantine/core/styles.layer.css';
import './app/styles.css';
import { MantineProvider } from '@mantine/core';
import { RouterProvider } from '@tanstack/react-router';
import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Provider } from 'urql';
import { client } from './app/api';
import { Notes } from './app/notes';
import { router } from './app/router';
import { cssVariables, theme } from './app/theme';

// The policy of the page allows only style elements with this value, which is another one in each response.
const nonce = document.querySelector<HTMLMetaElement>('meta[name=csp-nonce]')?.content ?? '';
setNonce(nonce);

const root = document.getElementById('dashboard');
if (!root) throw new Error('The page has no element for the dashboard');

createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <Provider value={client}>
        <RouterProvider router={router} />
        <Notes />
      </Provider>
    </MantineProvider>
  </StrictMode>,
);
