import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

const notices = 'THIRD-PARTY-NOTICES.md';

/** Completes Vite's list of licences with what it leaves out: packages that only workers bundle, and Monaco's own. */
function completeNotices() {
  const inWorkers = new Set();
  const worker = {
    name: 'packages-in-workers',
    generateBundle(_options, bundle) {
      for (const { moduleIds = [] } of Object.values(bundle)) {
        for (const id of moduleIds) {
          const [, folder] = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(id) ?? [];
          if (folder) inWorkers.add(folder);
        }
      }
    },
  };
  const page = {
    name: 'complete-notices',
    generateBundle: {
      order: 'post',
      handler(_options, bundle) {
        const add = (title, path) => {
          const text = readFileSync(path, 'utf8').replaceAll('\r\n', '\n').trim();
          bundle[notices].source += `\n## ${title}\n\n${text}\n`;
        };
        for (const folder of [...inWorkers].sort()) {
          const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8'));
          const title = `${name} - ${version} (${license})`;
          if (!bundle[notices].source.includes(`## ${title}\n`)) add(title, `${folder}/LICENSE`);
        }
        const monacosOwn = new URL('node_modules/monaco-editor/ThirdPartyNotices.txt', import.meta.url);
        add('Bundled in monaco-editor', monacosOwn);
      },
    },
  };
  return { worker, page };
}

const { worker, page } = completeNotices();

export default defineConfig({
  base: '/static/playground/',
  plugins: [page],
  worker: { format: 'es', plugins: () => [worker] },
  build: {
    target: 'es2022',
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4096,
    license: { fileName: notices },
    // Directives such as 'use client' mean nothing in a page that no server renders.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
