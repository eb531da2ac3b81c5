import { createRateLimit } from '../../control/limit/create.ts'
import { removeRateLimit } from '../../control/limit/delete.ts'
import { updateRateLimit } from '../../control/limit/update.ts'
import type { Answer } from '../../control/kit/context.ts'
import { writesConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { DeletePayload, MutationPayloadRef, runCommand } from '../kit/payload.ts'
import { RateLimitRef } from './ref.ts'
import { RateLimitCreateInput, RateLimitDeleteInput, RateLimitUpdateInput } from './input.ts'

const RateLimitPayload = builder.objectRef<Answer<string>>('RateLimitPayload').implement({
  description: 'The answer to a change of a rate limit.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    rateLimit: t.field({
      type: RateLimitRef,
      nullable: true,
      description: 'The rate limit after the change; null if nothing was committed.',
      resolve: (answer, _args, { loaders }) => (answer.ok ? loaders.rateLimit.load(answer.value) : null),
    }),
  }),
})

builder.mutationFields((t) => ({
  rateLimitCreate: t.field({
    type: RateLimitPayload,
    nullable: true,
    description: 'Creates a rate limit.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RateLimitCreateInput, required: true, description: 'The rate limit.' }) },
    resolve: (_root, { input }, context) => runCommand(context, createRateLimit, input),
  }),
  rateLimitUpdate: t.field({
    type: RateLimitPayload,
    nullable: true,
    description: 'Changes the bounds of a rate limit, or whether they are enforced.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RateLimitUpdateInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input }, context) => runCommand(context, updateRateLimit, input),
  }),
  rateLimitDelete: t.field({
    type: DeletePayload,
    nullable: true,
    description: 'Deletes a rate limit.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: RateLimitDeleteInput, required: true, description: 'What to delete.' }) },
    resolve: (_root, { input }, context) => runCommand(context, removeRateLimit, input),
  }),
}))
