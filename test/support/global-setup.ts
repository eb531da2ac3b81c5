import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import type { TestProject } from 'vitest/node'
import { openEmbeddedPostgres } from '../../src/server/postgres/embedded-postgres.ts'
import { clientConfig } from '../../src/storage/database/database.ts'
import { migrate } from '../../src/storage/database/migrate.ts'
import { buildConsoleIfStale } from './console-build.ts'
import { databaseUrl, EMPTY_TEMPLATE, MIGRATED_TEMPLATE } from './database.ts'

declare module 'vitest' {
  interface ProvidedContext {
    postgresUrl: string
  }
}

/** One PostgreSQL server for the whole run; each test file makes its own database in it (`openTestDatabase`). */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  await buildConsoleIfStale()
  const dataDir = await mkdtemp(join(tmpdir(), 'signalbox-test-'))
  // Nothing here outlives the run: waiting for the disk would only make it slow.
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '300' }
  const postgres = await openEmbeddedPostgres({ dataDir, settings })
  await createTemplates(postgres.url)
  project.provide('postgresUrl', postgres.url)
  return async () => {
    await postgres[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true, force: true, maxRetries: 10 })
  }
}

async function createTemplates(url: string): Promise<void> {
  const client = new Client(clientConfig(url))
  await client.connect()
  await client.query(`create database ${EMPTY_TEMPLATE}`)
  await client.query(`create database ${MIGRATED_TEMPLATE}`)
  await client.end()
  await migrate({ url: databaseUrl(url, MIGRATED_TEMPLATE) })
}
