import { DatabaseError } from 'pg'
import { type Compiled, compileDelta, compileSnapshot } from '../routing/compile.ts'
import type { Problem } from '../routing/route-rules.ts'
import type { Snapshot } from '../routing/snapshot.ts'
import { insertAuditEntry } from '../storage/audit-entry.ts'
import { loadConfiguration, loadDelta } from '../storage/configuration.ts'
import { advanceConfigVersion } from '../storage/config-version.ts'
import { notify } from '../storage/notifications.ts'
import type { AuditChange } from '../storage/configuration-tables.ts'
import type { Tx } from '../storage/database.ts'
import type { Actor, Answer, Control, Propagation } from './control.ts'
import { type Refusal, Refused } from './refusal.ts'

/** A change being made: its transaction, and what it has touched so far. */
export interface Change {
  readonly tx: Tx
  readonly control: Control
  readonly actor: Actor
  /** The mutation field, e.g. `routeTrafficSet`. */
  readonly action: string
  /** Marks a provider, deployment, route, user or API key to be compiled again, because it was changed or removed. */
  touch(id: string): void
  /** Adds an entry to the audit log; `reason` is the actor's own, if it gave one. */
  audit(subjectId: string, changes: readonly AuditChange[], reason?: string | null): Promise<void>
}

export interface ChangeOptions {
  readonly actor: Actor
  readonly action: string
  /** By default until every live gateway serves it. */
  readonly waitFor?: Propagation
}

/**
 * Makes one change in one transaction: write, compile, and only then commit; so a configuration that does not compile
 * cannot be committed. A change that touches nothing makes no version. Refusals come back as data and leave nothing behind.
 *
 * Everything else that is thrown is a fault of this platform or its database.
 */
export async function commitChange<T>(
  control: Control,
  options: ChangeOptions,
  work: (change: Change) => Promise<T>,
): Promise<Answer<T>> {
  try {
    const { value, snapshot } = await retryDeadlocks(() => runChange(control, options, work))
    if (!snapshot) return { ok: true, value, version: control.snapshots.current().version }
    control.snapshots.publish(snapshot)
    if (options.waitFor !== 'COMMITTED') await control.waitUntilApplied(snapshot.version)
    return { ok: true, value, version: snapshot.version }
  } catch (error) {
    const refusals = error instanceof Refused ? error.refusals : refusalsOfConstraint(error)
    if (!refusals) throw error
    return { ok: false, refusals, version: control.snapshots.current().version }
  }
}

async function runChange<T>(
  control: Control,
  options: ChangeOptions,
  work: (change: Change) => Promise<T>,
): Promise<{ value: T; snapshot: Snapshot | undefined }> {
  return control.db.transaction().execute(async (tx) => {
    const touched = new Set<string>()
    const value = await work({
      tx,
      control,
      actor: options.actor,
      action: options.action,
      touch: (id) => touched.add(id),
      audit: (subjectId, changes, reason = null) =>
        insertAuditEntry(tx, { actorId: options.actor.id, action: options.action, subjectId, reason, changes }),
    })
    if (touched.size === 0) return { value, snapshot: undefined }
    return { value, snapshot: await compileNext(tx, control, options.actor, [...touched]) }
  })
}

/** From here to the commit the version's lock is held: changes commit one after the other. */
async function compileNext(tx: Tx, control: Control, actor: Actor, touched: readonly string[]): Promise<Snapshot> {
  const version = await advanceConfigVersion(tx, actor.id, touched)
  const compiled = await compileFrom(tx, control)
  if (!compiled.ok) throw new Refused(...compiled.problems.map((problem) => refusalOf(problem)))
  await notify(tx, 'signalbox_config', String(version))
  return compiled.snapshot
}

async function compileFrom(tx: Tx, control: Control): Promise<Compiled> {
  const base = control.snapshots.current()
  const delta = await loadDelta(tx, control.box, base.version)
  return delta ? compileDelta(base, delta) : compileSnapshot(await loadConfiguration(tx, control.box))
}

function refusalOf({ code, path, message }: Problem): Refusal {
  return { kind: 'input', code, path: ['input', ...path], message }
}

const maxTries = 5

/** Two changes that lock the same objects in different orders: PostgreSQL ends one of them, and it is simply made again. */
async function retryDeadlocks<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await run()
    } catch (error) {
      const isPassing = error instanceof DatabaseError && (error.code === '40P01' || error.code === '40001')
      if (!isPassing || tries === maxTries) throw error
    }
  }
}

/** What a constraint says that only the database can be certain of, because others write at the same time. */
function refusalsOfConstraint(error: unknown): readonly Refusal[] | undefined {
  if (!(error instanceof DatabaseError)) return undefined
  if (error.constraint?.endsWith('_name_taken'))
    return [{ kind: 'input', code: 'TAKEN', path: ['input', 'name'], message: 'The name is taken.' }]
  if (error.constraint?.endsWith('_in_use'))
    return [{ kind: 'inUse', code: 'IN_USE', path: null, usedByIds: [], message: 'A route uses it.' }]
  if (error.code === '23503')
    return [
      {
        kind: 'operation',
        code: 'NOT_FOUND',
        path: null,
        message: 'An object that the change refers to was deleted at the same time. Read again and retry.',
      },
    ]
  return undefined
}
