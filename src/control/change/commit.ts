import { DatabaseError } from 'pg'
import { type CompileResult, compileDelta, compileSnapshot } from '../../routing/config/compile.ts'
import type { ConfigurationFault } from '../../routing/config/route-rules.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import { type AuditDraft, insertAuditEntries } from '../../storage/audit/write.ts'
import { loadConfiguration, loadDelta, loadObjects } from '../../storage/config/load.ts'
import {
  advanceConfigVersion,
  getConfigVersion,
  lockConfigVersion,
  type NextVersion,
} from '../../storage/change/version.ts'
import { insertRouteRevisions, type RouteRevisionDraft } from '../../storage/route/revision.ts'
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
  /** Marks a provider, deployment, route, user or API key to be compiled again, because it was changed or removed. */
  touch(id: string): void
  /** Adds an entry to the audit log, once the version of the change is known. */
  audit(subjectId: string, changes: readonly AuditChange[]): void
  /** Adds a state to a route's history, once the version of the change is known. */
  addRevision(revision: RouteRevisionDraft): void
  /** Has `record` called with the version of the change, in the transaction and after all else; not if it makes no version. */
  onVersion(record: (version: number) => Promise<void>): void
  /** What the command answers was made by this earlier version, and not by this call. */
  answersFor(version: number): void
}

/** What the input of every mutation has. */
export interface ChangeInput {
  /** Why, in the words of the actor: the history and the audit log keep it. */
  readonly reason?: string | null | undefined
  /** By default until every live gateway serves the change. */
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
 * Makes one change in one transaction: write, compile, and only then commit; so a configuration that does not compile
 * cannot be committed. A change that touches nothing makes no version. Refusals come back as data and leave nothing behind.
 *
 * Everything else that is thrown is a fault of this platform or its database.
 */
export async function commitChange<T>(
  control: ControlContext,
  options: ChangeOptions,
  work: (change: Change) => Promise<T>,
): Promise<Answer<T>> {
  try {
    const { value, version, token, compiled } = await retryDeadlocks(() => runChange(control, options, work))
    if (compiled) control.snapshots.publish(compiled.snapshot, compiled.base)
    const spread = options.input?.waitFor === 'COMMITTED' ? null : await control.propagation.wait(version, token)
    return { ok: true, value, version, spread }
  } catch (error) {
    const refusals = error instanceof RefusalError ? error.refusals : refusalsOfConstraint(error, options.action)
    if (!refusals) throw error
    return { ok: false, refusals, version: control.snapshots.current().version }
  }
}

/** What a transaction did: `version` contains what is answered, also if this call made none. */
interface Committed<T> {
  readonly value: T
  readonly version: number
  /** Null: not known, because an earlier call made the version. */
  readonly token: string | null
  /** Undefined: nothing was changed. */
  readonly compiled?: NextSnapshot
}

interface NextSnapshot {
  /** What it was compiled from, and so replaces. */
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
    // Last, so that whoever may not do it learns nothing else.
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
 * Call it under the version's lock, so that the history is written in the order of the commits: an entry that was written
 * earlier could become visible behind the end of a log that somebody follows.
 */
async function writeHistory(
  tx: Tx,
  { actor, action, reason, entries, revisions }: Written,
  { version, at }: { readonly version: number; readonly at: Date },
): Promise<void> {
  const origin = { actorId: actor.id, actorLabel: actor.label, reason, configVersion: version, at }
  await insertAuditEntries(tx, { ...origin, action }, entries)
  await insertRouteRevisions(tx, origin, revisions)
}

/** From here to the commit the version's lock is held: changes commit one after the other. */
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
  // The usual case needs no look at which objects have changed since `base`.
  const delta = isNextOfBase ? await loadObjects(tx, box, next, touched) : await loadDelta(tx, box, base)
  return delta ? compileDelta(base, delta) : compileSnapshot(await loadConfiguration(tx, box))
}

function refusalOf({ code, path, message }: ConfigurationFault): Refusal {
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

function addsUse(action: string): boolean {
  return action.startsWith('route') || action.endsWith('Create')
}

/** What a constraint says that only the database can be certain of, because others write at the same time. */
function refusalsOfConstraint(error: unknown, action: string): readonly Refusal[] | undefined {
  if (!(error instanceof DatabaseError)) return undefined
  if (error.constraint?.endsWith('_name_taken'))
    return [{ kind: 'input', code: 'TAKEN', path: ['input', 'name'], message: 'The name is taken.' }]
  // The same constraint stops who deletes what is used, and who uses what was deleted meanwhile.
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
