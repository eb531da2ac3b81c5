import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { type Actor, type Answer, type ControlContext, nobodyElse } from '../../src/control/kit/context.ts'
import type { Refusal } from '../../src/control/kit/refusal.ts'
import { compileSnapshot } from '../../src/routing/config/compile.ts'
import type { Snapshot } from '../../src/routing/config/snapshot.ts'
import { createSnapshotStore, type SnapshotStore } from '../../src/server/following/snapshot-store.ts'
import { openUpstreamHttp } from '../../src/server/upstream/http.ts'
import { loadConfiguration } from '../../src/storage/config/load.ts'
import type { Database, DatabaseOptions } from '../../src/storage/database/database.ts'
import { createSecretBox } from '../../src/storage/secret/box.ts'
import { openTestDatabase } from './database.ts'

/** An administrator that is no user. */
export const administrator: Actor = {
  id: 'system:test',
  label: 'test',
  userId: null,
  role: 'ADMIN',
  scopes: new Set(['INFERENCE', 'CONFIG_READ', 'CONFIG_WRITE', 'TRAFFIC_WRITE', 'USAGE_READ', 'ADMIN']),
}

export type TestControl = ControlContext &
  AsyncDisposable &
  Pick<Database, 'openReadView'> & { readonly url: string; readonly snapshots: SnapshotStore }

/** Commands on a database of their own. Every address is allowed but 192.0.2.0/24 (TEST-NET-1). */
export async function openTestControl(options: Partial<DatabaseOptions> = {}): Promise<TestControl> {
  const database = await openTestDatabase(options)
  const upstreamHttp = openUpstreamHttp({ isAllowedAddress: (address) => !address.startsWith('192.0.2.') })
  return {
    db: database.db,
    url: database.url,
    openReadView: database.openReadView,
    box: createSecretBox([randomBytes(32)]),
    snapshots: createSnapshotStore(),
    upstreams: {
      check: ({ hostname }) =>
        hostname.startsWith('192.0.2.') ? { ok: false, reason: 'It may not be called.' } : { ok: true },
    },
    upstreamHttp,
    propagation: nobodyElse,
    async [Symbol.asyncDispose]() {
      await upstreamHttp[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

/** The value of an answer; throws what was refused. */
export function valueOf<T>(answer: Answer<T>): T {
  if (!answer.ok) throw new Error(JSON.stringify(answer.refusals))
  return answer.value
}

/** The only refusal of an answer; throws if there is another number of them. */
export function refusalOf(answer: Answer<unknown>): Refusal {
  if (answer.ok || answer.refusals.length !== 1) throw new Error(`expected one refusal: ${JSON.stringify(answer)}`)
  return answer.refusals[0]!
}

/** Throws unless what was compiled step by step equals the whole compiled anew. */
export async function expectCompiledWhole(control: ControlContext): Promise<void> {
  const whole = compileSnapshot(await loadConfiguration(control.db, control.box))
  if (!whole.ok) throw new Error(JSON.stringify(whole.problems))
  expect(contentOf(control.snapshots.current())).toEqual(contentOf(whole.snapshot))
}

/** Tables as plain sorted lists, so that equal content is equal whatever the order of insertion. */
export function contentOf(snapshot: Snapshot): object {
  const { limits, ...rest } = snapshot
  return Object.fromEntries(
    Object.entries({ ...rest, ...limits }).map(([name, value]) => [
      name,
      typeof value !== 'object' ? value : [...value].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ]),
  )
}
