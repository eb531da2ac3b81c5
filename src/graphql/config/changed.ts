import { setTimeout as sleep } from 'node:timers/promises'
import type { Actor } from '../../control/kit/context.ts'
import { typeOfId } from '../../routing/config/object-id.ts'
import { findConfigChange, listConfigChanges } from '../../storage/change/read.ts'
import { getConfigVersion } from '../../storage/change/version.ts'
import { isAway } from '../../storage/database/is-away.ts'
import { ActorRef, loadActor } from '../kit/actor.ts'
import { readsConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { badUserInput } from '../kit/fault.ts'
import { loadNodes } from '../schema/node.ts'
import { NodeRef } from '../schema/refs.ts'
import { openSubscription, type SubscriptionEvent, valueOfEvent } from '../kit/subscription.ts'

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
    description:
      'Changes of the configuration. The first event is the current version, or with `since` the first change after that one; after it none is left out.',
    authScopes: readsConfig,
    args: {
      since: t.arg({
        type: 'SafeInt',
        description:
          'First the changes after this version, e.g. the last one that was seen. One that is too old is an error.',
      }),
    },
    subscribe: async (_root, { since }, context) => {
      if (since != null) await requireKept(context.reads.db, since)
      return watchChanges(context, since ?? undefined)
    },
    resolve: (event, _args, context) => valueOfEvent(event, context),
  }),
)

/** Changes that are read at a time. */
const batchSize = 100
/** Until a database that is away is asked again. */
const awayPauseMs = 1_000

/** Throws unless all changes after this version can be told. */
async function requireKept(db: GraphQLContext['db'], since: number): Promise<void> {
  const { version } = await getConfigVersion(db)
  if (since < 0 || since > version)
    throw badUserInput(`\`since\` is a version from 0 to the current one, which is ${version}.`)
  const [next] = await listConfigChanges(db, since, 1)
  if (since < version && next?.version !== since + 1)
    throw badUserInput(
      `The changes after version ${since} are not kept any more. Read what you need anew, and follow from version ${version}.`,
    )
}

/**
 * The database knows every change, whichever process made it: a new snapshot only says that it is time to read. So a slow
 * reader misses nothing, and costs no memory.
 */
function watchChanges(
  context: GraphQLContext,
  since: number | undefined,
): AsyncIterableIterator<SubscriptionEvent<ConfigChange>> {
  const { db } = context.reads
  const wakeUps = openSubscription<void>(context, { scopes: readsConfig, capacity: 1, overflow: 'DROP_OLDEST' })
  wakeUps.onEnd(context.live.onSnapshot(() => wakeUps.push({ value: undefined })))
  let version = since
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
  /** A database that is away is awaited: its restart ends no subscription. Empty once this one is over. */
  const readWhenThere = async (): Promise<ConfigChange[]> => {
    while (!wakeUps.isOver) {
      try {
        return await read()
      } catch (error) {
        if (!isAway(error)) throw error
        await sleep(awayPauseMs, undefined, { ref: false })
      }
    }
    return []
  }
  const nextChange = async (): Promise<IteratorResult<SubscriptionEvent<ConfigChange>>> => {
    while (pending.length === 0 || wakeUps.isOver) {
      if (!wakeUps.isOver) pending = await readWhenThere()
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
