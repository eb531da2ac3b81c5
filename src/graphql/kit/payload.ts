import { ChangeQueueError } from '../../control/kit/change-queue.ts'
import type { Actor, Answer, ControlContext } from '../../control/kit/context.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from './context.ts'
import { fault } from './fault.ts'
import { Gateway } from '../gateway/type.ts'
import { type PrimeLoaders, readPayloadState } from './payload-state.ts'
import { QueryRef } from '../schema/query.ts'
import { readAnew } from './read-anew.ts'
import type { SameMembers } from './same-members.ts'
import { UserErrorRef } from './user-error.ts'

/** The interface of all payloads. The further fields of a payload are null if nothing was committed. */
export const MutationPayloadRef = builder.interfaceRef<Answer<unknown>>('MutationPayload').implement({
  description: 'What every mutation answers with.',
  fields: (t) => ({
    userErrors: t.field({
      type: [UserErrorRef],
      description: 'Empty exactly if the change was committed.',
      resolve: (answer) => (answer.ok ? [] : answer.refusals),
    }),
    configVersion: t.field({
      type: 'SafeInt',
      description: 'The configuration version that contains the change; the current one if nothing changed.',
      resolve: ({ version }) => version,
    }),
    applied: t.boolean({
      description:
        'Whether every gateway of `configStatus` serves the change; false if the wait ended before that, or if `waitFor` was `COMMITTED`.',
      resolve: (answer) => answer.ok && answer.spread?.applied === true,
    }),
    pendingGateways: t.field({
      type: [Gateway],
      description: 'Gateways that do not serve the change yet, lost gateways included.',
      resolve: async (answer, _args, { control }) => {
        if (!answer.ok) return []
        const { pendingGateways } = answer.spread ?? (await control.propagation.look(answer.version))
        return [...pendingGateways]
      },
    }),
    query: t.field({ type: QueryRef, description: 'The root of queries, read after the change.', resolve: () => ({}) }),
  }),
})

/**
 * Runs a command as the caller. Later fields of the operation read from the database again, and see the changed objects as this command
 * left them.
 */
export async function runCommand<Input, Value, Shape extends Input>(
  context: GraphQLContext,
  command: (control: ControlContext, actor: Actor, input: Input) => Promise<Answer<Value>>,
  input: Shape & SameMembers<Shape, Input>,
): Promise<Answer<Value>> {
  let prime: PrimeLoaders | undefined
  const control: ControlContext = {
    ...context.control,
    hasCallerLeft: () => context.signal.aborted,
    beforeCommit: async (tx, touched) => {
      prime = await readPayloadState(tx, touched)
    },
  }
  try {
    return await command(control, context.actor, input)
  } catch (error) {
    if (!(error instanceof ChangeQueueError)) throw error
    throw fault('OVERLOADED', `Too many changes at a time: nothing was changed. ${error.message}`)
  } finally {
    readAnew(context)
    prime?.(context.loaders)
  }
}

export const DeletePayload = builder.objectRef<Answer<string>>('DeletePayload').implement({
  description: 'The answer to a deletion.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    deletedId: t.id({
      nullable: true,
      description: 'What was deleted; null if nothing was.',
      resolve: (answer) => (answer.ok ? answer.value : null),
    }),
  }),
})
