import { deleteGateway, findGatewayState } from '../../storage/gateway/write.ts'
import { forgetUsageOfGateway } from '../../storage/usage/ledger/progress.ts'
import { commitChange } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'

export interface GatewayForgetInput {
  readonly id: string
  readonly reason?: string | null | undefined
}

/**
 * Forgets a lost gateway that will not come back: changes and usage reports no longer wait for it. Usage that it has not sent counts as
 * lost unless it reports again. The value is its id.
 */
export function forgetGateway(
  control: ControlContext,
  actor: Actor,
  input: GatewayForgetInput,
): Promise<Answer<string>> {
  return commitChange(
    control,
    { actor, action: 'gatewayForget', input: { ...input, waitFor: 'COMMITTED' } },
    async (change) => {
      const state = await findGatewayState(change.tx, input.id)
      if (!state) throw refuseInput('NOT_FOUND', ['input', 'id'], 'There is no such gateway.')
      if (state === 'LIVE')
        throw refuseOperation(
          'FAILED_PRECONDITION',
          'The gateway is live: it would come back at once. Stop it instead.',
        )
      await forgetUsageOfGateway(change.tx, input.id)
      await deleteGateway(change.tx, input.id)
      change.audit(input.id, [{ field: 'state', before: JSON.stringify(state), after: null }])
      return input.id
    },
  )
}
