import { RequestCache } from '@pothos/plugin-scope-auth'
import { currentActor, expiryOf } from '../../control/kit/actor.ts'
import { type AnyScope, hasAnyScope } from './authorisation.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from './context.ts'
import { EventQueue, type OverflowPolicy } from './event-queue.ts'
import { fault } from './fault.ts'
import { readAnew } from './read-anew.ts'

/** An event, or the fault that ends the subscription. */
export type SubscriptionEvent<Value> = { readonly value: Value } | { readonly fault: Error }

export type SubscriptionQueue<Value> = EventQueue<SubscriptionEvent<Value>>

export interface SubscriptionOptions {
  /** The subscription ends when the caller no longer has any of these scopes. */
  readonly scopes: AnyScope
  /** Most events that wait for a slow reader. */
  readonly capacity: number
  readonly overflow: OverflowPolicy
}

/** The queue of a new subscription. It ends when the server stops, or when the key of the caller is no longer sufficient. */
export function openSubscription<Value>(
  context: GraphQLContext,
  { scopes, capacity, overflow }: SubscriptionOptions,
): SubscriptionQueue<Value> {
  const queue: SubscriptionQueue<Value> = new EventQueue(capacity, overflow)
  queue.onEnd(context.onShutdown(() => queue.end()))
  queue.onEnd(
    watchActor(context, scopes, () =>
      queue.end({ fault: fault('UNAUTHENTICATED', 'The key was revoked, has expired, or may not do this any more.') }),
    ),
  )
  return queue
}

/** The value of an event. Objects that it refers to are read again from the database. */
export function valueOfEvent<Value>(event: SubscriptionEvent<Value>, context: GraphQLContext): Value {
  if ('fault' in event) throw event.fault
  readAnew(context)
  // Without this the authorisation cache would keep every object of the subscription in memory.
  RequestCache.clearForContext(context)
  return event.value
}

/** The longest delay of a timer; a longer delay would fire at once. */
const maxTimerMs = 2 ** 31 - 1

/** Keeps the actor of the context up to date. */
function watchActor(context: GraphQLContext, scopes: AnyScope, onLost: () => void): () => void {
  const { control, live } = context
  let timer: NodeJS.Timeout | undefined
  const check = () => {
    clearTimeout(timer)
    const snapshot = control.snapshots.current()
    const now = currentActor(snapshot, context.actor.id, Date.now())
    if (!now || !hasAnyScope(now, scopes)) return onLost()
    context.actor = now
    const expiresAtMs = expiryOf(snapshot, context.actor.id)
    if (expiresAtMs !== null) timer = setTimeout(check, Math.min(expiresAtMs - Date.now(), maxTimerMs)).unref()
  }
  const unsubscribe = live.onSnapshot(check)
  check()
  return () => {
    clearTimeout(timer)
    unsubscribe()
  }
}

builder.subscriptionType({
  description: `Over server-sent events and over WebSocket (\`graphql-transport-ws\`), at the same path as queries. A WebSocket client gives its key as
\`authorization: "Bearer …"\` in \`connectionParams\` (browsers cannot set headers) or as a header of the upgrade.`,
})
