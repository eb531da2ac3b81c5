import { DatabaseError } from 'pg'
import { type CompileResult, compileDelta, compileSnapshot } from '../../routing/config/compile.ts'
import type { ConfigurationFault } from '../../routing/config/route-rules.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { AuditDraft } from '../../storage/audit/write.ts'
import { ChangeQueueError } from '../kit/change-queue.ts'
import { insertHistory } from '../../storage/change/history.ts'
import { loadConfiguration, loadDelta, loadObjects } from '../../storage/config/load.ts'
import {
  advanceConfigVersion,
  getConfigVersion,
  lockConfigVersion,
  type NextVersion,
} from '../../storage/change/version.ts'
import type { RouteRevisionDraft } from '../../storage/route/revision.ts'
import type { AuditChange } from '../../storage/audit/tables.ts'
import type { Tx } from '../../storage/database/db.ts'
import type { Actor, Answer, ControlContext, Propagation } from '../kit/context.ts'
import { type Refusal, RefusalError } from '../kit/refusal.ts'
import { maxReasonLength, requireText } from '../kit/text.ts'

/** A change being made: its transaction, and what it has touched so far. */
export interface Change {
  readonly tx: Tx
  readonly control: ControlContext
  readonly actor: Actor
  /** The mutation field, e.g. `routeTrafficSet`. */
  readonly action: string
  /** Marks a provider, deployment, route, user or API key as changed or removed, so that it is compiled again. */
  touch(id: string): void
  /** Adds an entry to the audit log, once the version of the change is known. */
  audit(subjectId: string, changes: readonly AuditChange[]): void
  /** Adds a state to a route's history, once the version of the change is known. */
  addRevision(revision: RouteRevisionDraft): void
  /** Calls `record` with the version of the change as the last step of the transaction; not at all if the change creates no version. */
  onVersion(record: (version: number) => Promise<void>): void
  /** Says that the answer shows what an earlier version created, e.g. for a repeated idempotency key. */
  answersFor(version: number): void
}

/** What the input of every mutation has. */
export interface ChangeInput {
  /** The reason in the words of the actor, for the history and the audit log. */
  readonly reason?: string | null | undefined
  /** What the answer waits for; by default until every live gateway serves the change. */
  readonly waitFor?: Propagation
}

/** What the input of a mutation has that changes one existing object. */
export interface EditInput extends ChangeInput {
  readonly expectedRevision?: number | null | undefined
}

/** What the input of a mutation has that makes an object. */
export interface CreateInput extends ChangeInput {
  readonly idempotencyKey?: string | null | undefined
}

export interface ChangeOptions {
  readonly actor: Actor
  readonly action: string
  readonly input?: ChangeInput
}

/**
 * Makes one change in one transaction: write, compile, and only then commit, so that a configuration that does not compile cannot be
 * committed. A change that touches nothing creates no version. A `RefusalError` is returned as data and rolls everything back.
 *
 * Any other error is a fault of this platform or its database, or `ChangeQueueError`.
 */
export async function commitChange<T>(
  control: ControlContext,
  options: ChangeOptions,
  work: (change: Change) => Promise<T>,
): Promise<Answer<T>> {
  try {
    const { value, version, token, compiled } = await inTurn(control, () =>
      retryDeadlocks(() => runChange(control, options, work)),
    )
    if (compiled) control.snapshots.publish(compiled.snapshot, compiled.base)
    const spread = options.input?.waitFor === 'COMMITTED' ? null : await control.propagation.wait(version, token)
    return { ok: true, value, version, spread }
  } catch (error) {
    const refusals = error instanceof RefusalError ? error.refusals : refusalsOfConstraint(error, options.action)
    if (!refusals) throw error
    return { ok: false, refusals, version: control.snapshots.current().version }
  }
}

/** The result of a transaction. `version` contains the answered state, also if this call created no version. */
interface Committed<T> {
  readonly value: T
  readonly version: number
  /** The version's token; null if an earlier call created the version. */
  readonly token: string | null
  /** The snapshot after the change; undefined if nothing was changed. */
  readonly compiled?: NextSnapshot
}

interface NextSnapshot {
  /** The snapshot from which `compiled` was made, and which it replaces. */
  readonly base: Snapshot
  readonly snapshot: Snapshot
}

async function runChange<T>(
  control: ControlContext,
  options: ChangeOptions,
  work: (change: Change) => Promise<T>,
): Promise<Committed<T>> {
  const reason = options.input?.reason ?? null
  return control.db.transaction().execute(async (tx) => {
    const touched = new Set<string>()
    const entries: AuditDraft[] = []
    const revisions: RouteRevisionDraft[] = []
    const records: ((version: number) => Promise<void>)[] = []
    let answeredVersion: number | undefined
    const value = await work({
      tx,
      control,
      actor: options.actor,
      action: options.action,
      touch: (id) => touched.add(id),
      audit: (subjectId, changes) => void entries.push({ subjectId, changes }),
      addRevision: (revision) => void revisions.push(revision),
      onVersion: (record) => void records.push(record),
      answersFor: (version) => void (answeredVersion = version),
    })
    // Checked last, so that a caller who may not make the change learns nothing else.
    if (reason !== null) requireText(reason, ['input', 'reason'], maxReasonLength)
    const written = { ...options, reason, touched, entries, revisions }
    if (touched.size === 0) {
      if (entries.length > 0) await writeHistory(tx, written, await lockConfigVersion(tx))
      if (answeredVersion !== undefined) return { value, version: answeredVersion, token: null }
      const { version, token } = await getConfigVersion(tx)
      return { value, version, token }
    }
    const compiled = await commitNext(tx, control, written)
    const { version, token } = compiled.snapshot
    for (const record of records) await record(version)
    await control.beforeCommit?.(tx, [...touched])
    return { value, version, token, compiled }
  })
}

interface Written {
  readonly actor: Actor
  readonly action: string
  readonly reason: string | null
  readonly touched: ReadonlySet<string>
  readonly entries: readonly AuditDraft[]
  readonly revisions: readonly RouteRevisionDraft[]
}

/**
 * Call it under the version lock, so that the history is written in the order of the commits. Otherwise an older entry could become
 * visible after a reader of the log has passed its place.
 */
async function writeHistory(
  tx: Tx,
  { actor, action, reason, entries, revisions }: Written,
  { version, at }: { readonly version: number; readonly at: Date },
): Promise<void> {
  const origin = { actorId: actor.id, actorLabel: actor.label, reason, configVersion: version, at }
  await insertHistory(tx, { ...origin, action }, { entries, revisions })
}

/** Takes the version lock and holds it until the commit, so that changes commit one after the other. */
async function commitNext(tx: Tx, control: ControlContext, written: Written): Promise<NextSnapshot> {
  const next = await advanceConfigVersion(tx, written.actor.id, [...written.touched])
  await writeHistory(tx, written, { version: next.version, at: next.committedAt })
  const base = control.snapshots.current()
  const compiled = await compileAfter(base, next, written.touched, tx, control)
  if (!compiled.ok) throw new RefusalError(...compiled.problems.map((problem) => refusalOf(problem)))
  return { base, snapshot: compiled.snapshot }
}

async function compileAfter(
  base: Snapshot,
  next: NextVersion,
  touched: ReadonlySet<string>,
  tx: Tx,
  { box }: ControlContext,
): Promise<CompileResult> {
  const isNextOfBase = base.version === next.version - 1 && (base.version === 0 || base.token === next.previousToken)
  // In the usual case no other change was made since `base`, so only the touched objects are read.
  const delta = isNextOfBase ? await loadObjects(tx, box, next, touched) : await loadDelta(tx, box, base)
  return delta ? compileDelta(base, delta) : compileSnapshot(await loadConfiguration(tx, box))
}

function refusalOf({ code, path, message }: ConfigurationFault): Refusal {
  return { kind: 'input', code, path: ['input', ...path], message }
}

function inTurn<T>({ queue, hasCallerLeft }: ControlContext, work: () => Promise<T>): Promise<T> {
  if (!queue) return work()
  return queue.run(() => {
    if (hasCallerLeft?.()) throw new ChangeQueueError('The caller has left meanwhile.')
    return work()
  })
}

const maxTries = 5

/** Retries a change that PostgreSQL aborted because of a deadlock: two changes locked the same objects in different orders. */
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

function addsUse(action: string): boolean {
  return action.startsWith('route') || action.endsWith('Create')
}

/** The refusal for a violated constraint. Only the database can check these, because other changes are written at the same time. */
function refusalsOfConstraint(error: unknown, action: string): readonly Refusal[] | undefined {
  if (!(error instanceof DatabaseError)) return undefined
  if (error.constraint?.endsWith('_name_taken'))
    return [{ kind: 'input', code: 'TAKEN', path: ['input', 'name'], message: 'The name is taken.' }]
  // The same constraint rejects the deletion of a used object and the use of an object that was deleted meanwhile.
  if (error.constraint?.endsWith('_in_use') && !addsUse(action))
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
