import { readFileSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

/** Adds the texts of all documents by their hash, which the server reads: they are trusted documents. */
const trustedDocuments: Plugin = {
  name: 'trusted-documents',
  generateBundle() {
    const source = readFileSync('src/generated/persisted-documents.json');
    this.emitFile({ type: 'asset', fileName: 'documents.json', source });
  },
};

export default defineConfig({
  base: '/static/dashboard/',
  plugins: [trustedDocuments],
  // For `vite` on its own: the API is served by `./dev serve`.
  server: { proxy: { '^/graphql$': 'http://127.0.0.1:8000' } },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    manifest: 'manifest.json',
    // An inlined image would need `data:` in the page's policy.
    assetsInlineLimit: 0,
    license: { fileName: 'THIRD-PARTY-NOTICES.md' },
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
