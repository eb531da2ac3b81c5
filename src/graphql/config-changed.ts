import type { Actor } from '../control/control.ts'
import { typeOfId } from '../routing/object-id.ts'
import { findConfigChange, listConfigChanges } from '../storage/config-change-read.ts'
import { getConfigVersion } from '../storage/config-version.ts'
import { ActorRef, loadActor } from './actor.ts'
import { readsConfig } from './authorisation.ts'
import { builder } from './builder.ts'
import type { GraphQLContext } from './context.ts'
import { loadNodes } from './node.ts'
import { NodeRef } from './refs.ts'
import { openSubscription, type SubscriptionEvent, valueOfEvent } from './subscription.ts'

interface ConfigChange {
  readonly version: number
  readonly committedAt: Date
  /** Null: nobody, because nothing was ever changed. */
  readonly actorId: string | null
  readonly subjectIds: readonly string[]
}

const ConfigChangeRef = builder.objectRef<ConfigChange>('ConfigChange').implement({
  description: 'A committed change of the configuration.',
  fields: (t) => ({
    version: t.expose('version', { type: 'SafeInt', description: 'The version that it made.' }),
    committedAt: t.field({
      type: 'DateTime',
      description: 'When it was committed.',
      resolve: ({ committedAt }) => committedAt,
    }),
    actor: t.field({
      type: ActorRef,
      nullable: true,
      description: 'Null if the actor was deleted.',
      resolve: ({ actorId }, _args, context) => (actorId === null ? null : loadActor(context, actorId)),
    }),
    changed: t.field({
      type: [NodeRef],
      description:
        'The changed objects that still exist and that the caller may see: users and keys only with `ADMIN`. Empty in the first event.',
      resolve: ({ subjectIds }, _args, context) =>
        loadNodes(
          context,
          subjectIds.filter((id) => maySeeSubject(context.actor, id)),
        ),
    }),
  }),
})

function maySeeSubject(actor: Actor, id: string): boolean {
  const type = typeOfId(id)
  return (type !== 'User' && type !== 'ApiKey') || actor.scopes.has('ADMIN')
}

builder.subscriptionField('configChanged', (t) =>
  t.field({
    type: ConfigChangeRef,
    description: 'Changes of the configuration. The first event is the current version; after it none is left out.',
    authScopes: readsConfig,
    subscribe: (_root, _args, context) => watchChanges(context),
    resolve: (event, _args, context) => valueOfEvent(event, context),
  }),
)

/** Changes that are read at a time. */
const batchSize = 100

/**
 * The database knows every change, whichever process made it: a new snapshot only says that it is time to read. So a slow
 * reader misses nothing, and costs no memory.
 */
function watchChanges(context: GraphQLContext): AsyncIterableIterator<SubscriptionEvent<ConfigChange>> {
  const { db } = context.reads
  const wakeUps = openSubscription<void>(context, { scopes: readsConfig, capacity: 1, overflow: 'DROP_OLDEST' })
  wakeUps.onEnd(context.live.onSnapshot(() => wakeUps.push({ value: undefined })))
  let version: number | undefined
  let pending: ConfigChange[] = []

  const read = async () => {
    if (version === undefined) return [await currentVersion(db)]
    const rows = await listConfigChanges(db, version, batchSize)
    return rows.map((row) => ({
      version: row.version,
      committedAt: row.committed_at,
      actorId: row.actor_id,
      subjectIds: row.subject_ids,
    }))
  }
  const nextChange = async (): Promise<IteratorResult<SubscriptionEvent<ConfigChange>>> => {
    while (pending.length === 0 || wakeUps.isOver) {
      if (!wakeUps.isOver) pending = await read()
      if (pending.length > 0 && !wakeUps.isOver) break
      const wakeUp = await wakeUps.next()
      if (wakeUp.done) return { done: true, value: undefined }
      if ('fault' in wakeUp.value) return { done: false, value: wakeUp.value }
    }
    const value = pending.shift()!
    version = value.version
    return { done: false, value: { value } }
  }
  // A source that throws is asked nothing more, and not told that it is over: it would listen for ever.
  const next = async (): Promise<IteratorResult<SubscriptionEvent<ConfigChange>>> => {
    try {
      return await nextChange()
    } catch (error) {
      await wakeUps.return()
      return { done: false, value: { fault: error instanceof Error ? error : new Error(String(error)) } }
    }
  }
  return {
    next,
    return: async () => {
      pending = []
      await wakeUps.return()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

async function currentVersion(db: GraphQLContext['db']): Promise<ConfigChange> {
  const { version, committed_at: committedAt } = await getConfigVersion(db)
  const change = await findConfigChange(db, version)
  return { version, committedAt, actorId: change?.actor_id ?? null, subjectIds: [] }
}
