import { openEmbeddedPostgres } from '../../src/server/postgres/embedded-postgres.ts'

// A process of its own that holds an embedded PostgreSQL, for tests that kill it: writes one line of JSON, its URL or
// why it did not start, and stops on SIGTERM.
const [dataDir = ''] = process.argv.slice(2)

try {
  const postgres = await openEmbeddedPostgres({ dataDir })
  process.stdout.write(`${JSON.stringify({ url: postgres.url })}\n`)
  process.once('SIGTERM', () => void postgres[Symbol.asyncDispose]())
} catch (error) {
  process.stdout.write(`${JSON.stringify({ error: (error as Error).message })}\n`)
}
