// JavaScript, since the Node that this is for cannot read TypeScript: package.json loads it before main.ts.
const [major = 0] = process.versions.node.split('.').map(Number)

// The first that knows `await using`.
if (major < 24) {
  process.stderr.write(
    `Signalbox needs Node 24 or newer, and this is ${process.version} (${process.execPath}).\n` +
      'On Linux "npm ci" puts Node 24 into node_modules/.bin, and "npm start", "npm run …" and "npx" use it.\n' +
      'Elsewhere, or after "npm ci --omit=optional", install a newer Node: https://nodejs.org/\n',
  )
  process.exit(1)
}
