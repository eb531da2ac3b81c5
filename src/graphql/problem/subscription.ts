import { readsConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import type { ProblemList } from '../kit/ports.ts'
import { openSubscription, type SubscriptionQueue, valueOfEvent } from '../kit/subscription.ts'
import { ProblemListRef } from './type.ts'
import { visibleProblems } from './visibility.ts'

builder.subscriptionField('problemsChanged', (t) =>
  t.field({
    type: ProblemListRef,
    description:
      'What is wrong: the first event comes at once, further ones when the list changes. Each event is complete in itself; a slow reader gets only the latest.',
    authScopes: readsConfig,
    subscribe: (_root, _args, context) => watchProblems(context),
    resolve: (event, _args, context) => valueOfEvent(event, context),
  }),
)

function watchProblems(context: GraphQLContext): SubscriptionQueue<ProblemList> {
  const queue: SubscriptionQueue<ProblemList> = openSubscription(context, {
    scopes: readsConfig,
    capacity: 1,
    overflow: 'DROP_OLDEST',
  })
  let lastSent: string | undefined
  const tell = ({ atMs, problems }: ProblemList) => {
    const visible = visibleProblems(context, problems)
    const text = JSON.stringify(visible)
    if (text === lastSent) return
    lastSent = text
    queue.push({ value: { atMs, problems: [...visible] } })
  }
  queue.onEnd(context.live.problems.watch(tell))
  return queue
}
