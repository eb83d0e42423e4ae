import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

/** Adds the texts of all documents by their hash, which the server reads: they are trusted documents. */
const trustedDocuments: Plugin = {
  name: 'trusted-documents',
  generateBundle() {
    const folders = readdirSync('src/generated', { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const documents = folders.map(({ name }) => {
      const text = readFileSync(`src/generated/${name}/persisted-documents.json`, 'utf8');
      return JSON.parse(text) as Record<string, string>;
    });
    const byHash = Object.entries(Object.assign({}, ...documents) as Record<string, string>).sort();
    const source = `${JSON.stringify(Object.fromEntries(byHash), null, 2)}\n`;
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
    // In KB, before compression. tests/browser/test_dashboard_pages.py limits what the overview loads.
    chunkSizeWarningLimit: 1024,
    license: { fileName: 'THIRD-PARTY-NOTICES.md' },
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
