import { RequestCache } from '@pothos/plugin-scope-auth'
import { currentActor, expiryOf } from '../../control/kit/actor.ts'
import { type AnyScope, hasAnyScope } from './authorisation.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from './context.ts'
import { EventQueue, type OverflowPolicy } from './event-queue.ts'
import { fault } from './fault.ts'
import { readAnew } from './read-anew.ts'

/** An event, or why there will be no more. */
export type SubscriptionEvent<Value> = { readonly value: Value } | { readonly fault: Error }

export type SubscriptionQueue<Value> = EventQueue<SubscriptionEvent<Value>>

export interface SubscriptionOptions {
  /** Without one of these the subscription ends, whenever that comes to be. */
  readonly scopes: AnyScope
  /** Events that wait for a slow reader. */
  readonly capacity: number
  readonly overflow: OverflowPolicy
}

/** The queue of a new subscription: it ends when the server stops, and when its key is not good for it any more. */
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

/** The value of an event; what it refers to is read anew. */
export function valueOfEvent<Value>(event: SubscriptionEvent<Value>, context: GraphQLContext): Value {
  if ('fault' in event) throw event.fault
  readAnew(context)
  // It remembers each object that it was asked about, for as long as the subscription lives.
  RequestCache.clearForContext(context)
  return event.value
}

/** The longest time of a timer; longer ones would fire at once. */
const maxTimerMs = 2 ** 31 - 1

/** Keeps the context's actor as it is now. */
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
