// Does the main job with a client and prints, as JSON, how it went: node run.mjs ./built/apollo.js URL
const [file, url] = process.argv.slice(2);
const { mainJob } = await import(new URL(file, import.meta.url));
console.log(JSON.stringify(await mainJob(url)));
