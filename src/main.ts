import './require-node.js'
import './thread-pool.ts'
import { enableCompileCache } from 'node:module'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { StopRequest } from './command-line/shell.ts'

// In the project's own folder: the default is one in /tmp that any user of the machine could have made first.
enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/node-compile-cache'))

const sameSignalMs = 500
let stoppedWith: number | undefined

/** The first SIGTERM or SIGINT asks for an end in order, the second one gets it at once. */
function listenForStop(): StopRequest {
  const stopRequest = new AbortController()
  const requested = Promise.withResolvers<void>()
  let askedAtMs = 0
  const onSignal = (signal: NodeJS.Signals) => {
    if (stopRequest.signal.aborted) {
      // One Ctrl-C under `npm start` comes twice: from the terminal, and passed on by npm.
      if (performance.now() - askedAtMs < sameSignalMs) return
      process.exit(128 + constants.signals[signal])
    }
    askedAtMs = performance.now()
    stoppedWith = 128 + constants.signals[signal]
    stopRequest.abort()
    requested.resolve()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal)
  return { signal: stopRequest.signal, requested: requested.promise }
}

/** Who reads an answer may have enough of it, as `head` has: that is an end like any other. A file that takes no more of it is a failure. */
function endWithReader(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit()
  process.stderr.write(`The answer cannot be written: ${error.message}\n`)
  process.exit(1)
}

process.stdout.on('error', endWithReader)
const { runCommandLine } = await import('./command-line/run.ts')
await runCommandLine(process.argv.slice(2), {
  environment: process.env,
  listenForStop,
  stoppedWith: () => stoppedWith,
  endWith: (code) => (process.exitCode = code),
})
