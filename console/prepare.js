// Run by `npm ci`, which some run with an old Node and without the one that the optional dependencies bring.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major > 22 || (major === 22 && minor >= 18)) await import('./build.ts')
else
  process.stderr.write(
    'The console is not built: it needs Node 22.18 or newer, which the optional dependencies bring.\n',
  )
