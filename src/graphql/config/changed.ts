import { setTimeout as sleep } from 'node:timers/promises'
import type { Actor } from '../../control/kit/context.ts'
import { typeOfId } from '../../routing/config/object-id.ts'
import {
  type ChangeBase,
  type ConfigChangeRow,
  findVersion,
  getLatestChange,
  listChangesAfter,
} from '../../storage/change/read.ts'
import { isAway } from '../../storage/database/is-away.ts'
import { ActorRef, loadActor } from '../kit/actor.ts'
import { readsConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { badUserInput } from '../kit/fault.ts'
import { loadNodes } from '../schema/node.ts'
import { NodeRef } from '../schema/refs.ts'
import { openSubscription, type SubscriptionEvent, valueOfEvent } from '../kit/subscription.ts'

interface ConfigChange extends ConfigChangeRow {
  readonly resync: boolean
}

const ConfigChangeRef = builder.objectRef<ConfigChange>('ConfigChange').implement({
  description: 'A committed change of the configuration.',
  fields: (t) => ({
    version: t.expose('version', { type: 'SafeInt', description: 'The version that it created.' }),
    token: t.exposeString('token', {
      description:
        'Distinguishes this version from a version with the same number that a restore or a failover of the database has undone.',
    }),
    resync: t.exposeBoolean('resync', {
      description:
        'Whether a restore or a failover of the database has lost changes that earlier events reported. `version` is the current version, which may be lower than before or equal: read again what you need.',
    }),
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
        'The changed objects that still exist and that the caller may see: users and keys only with `ADMIN`. Empty in the first event without `since`, and with `resync`.',
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
      'Changes of the configuration. The first event is the current version, or with `since` the first change after that version. No later change is left out. If a restore or a failover of the database loses changes that were reported, the next event has `resync` and the version of the database then.',
    authScopes: readsConfig,
    args: {
      since: t.arg({
        type: 'SafeInt',
        description:
          'Begin with the changes after this version, e.g. the last one that the subscriber got. A version that is too old is an error.',
      }),
      sinceToken: t.arg.string({
        description: 'The `token` of `since`: if the database has lost that version, the first event has `resync`.',
      }),
    },
    subscribe: async (_root, { since, sinceToken }, context) => {
      if (since == null) return watchChanges(context)
      return watchChanges(context, await requireBase(context.reads.db, since, sinceToken ?? undefined))
    },
    resolve: (event, _args, context) => valueOfEvent(event, context),
  }),
)

/** Most changes that one read returns. */
const batchSize = 100
/** The pause before an unreachable database is read again. */
const awayPauseMs = 1_000

/** The version to continue from. Throws unless all later changes can still be read, or its token shows that the version was lost. */
async function requireBase(db: GraphQLContext['db'], version: number, knownToken?: string): Promise<ChangeBase> {
  const latest = await getLatestChange(db)
  const kept = version === latest.version ? latest : await findVersion(db, version)
  const isLost = knownToken !== undefined && (kept ? kept.token !== knownToken : version > latest.version)
  if (isLost) return { version, token: knownToken }
  if (version < 0 || version > latest.version)
    throw badUserInput(`\`since\` is a version from 0 to the current one, which is ${latest.version}.`)
  const base = { version, token: kept?.token ?? null }
  if (!(await listChangesAfter(db, base, 1)))
    throw badUserInput(
      `The changes after version ${version} are no longer stored. Read the objects again, and continue from version ${latest.version}.`,
    )
  return base
}

/**
 * Reads changes from the database, which has the changes of every process. A new snapshot only signals that there is something to read,
 * so a slow reader misses nothing and needs no queue.
 */
function watchChanges(
  context: GraphQLContext,
  since?: ChangeBase,
): AsyncIterableIterator<SubscriptionEvent<ConfigChange>> {
  const { db } = context.reads
  const wakeUps = openSubscription<void>(context, { scopes: readsConfig, capacity: 1, overflow: 'DROP_OLDEST' })
  wakeUps.onEnd(context.live.onSnapshot(() => wakeUps.push({ value: undefined })))
  let lastSent = since
  let pending: ConfigChange[] = []

  const read = async (): Promise<ConfigChange[]> => {
    const changes = lastSent && (await listChangesAfter(db, lastSent, batchSize))
    if (changes) return changes.map((change) => ({ ...change, resync: false }))
    return [{ ...(await getLatestChange(db)), subjectIds: [], resync: lastSent !== undefined }]
  }
  /**
   * Reads the next changes; waits while the database is unreachable, so that its restart does not end the subscription. Empty once the
   * subscription has ended.
   */
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
    lastSent = value
    return { done: false, value: { value } }
  }
  // After a throw the executor neither calls `next` nor `return` again: without this the queue would keep its listeners.
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
