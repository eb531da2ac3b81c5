import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedPostgres } from '../src/server/postgres/embedded-postgres.ts'

export interface BenchDatabase extends AsyncDisposable {
  readonly url: string
  /** What a product needs to use it. */
  readonly env: Readonly<Record<string, string>>
}

/** A PostgreSQL server of its own for products that share one, or for rows that are there before the product starts. */
export async function openBenchDatabase(): Promise<BenchDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'sbx-'))
  await chmod(folder, 0o755)
  const postgres = await openEmbeddedPostgres({ dataDir: join(folder, 'data') })
  return {
    url: postgres.url,
    env: { DATABASE_URL: postgres.url, SIGNALBOX_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64') },
    [Symbol.asyncDispose]: async () => {
      await postgres[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
