// Runs one client's script and prints what it found as JSON.
const [script, settings] = process.argv.slice(2);
const { default: run } = await import(`./${script}.mjs`);
console.log(JSON.stringify(await run(JSON.parse(settings))));
