import { forgetGateway } from '../../control/gateway/forget.ts'
import { writesConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { reasonField } from '../kit/change-fields.ts'
import { DeletePayload, runCommand } from '../kit/payload.ts'

const GatewayForgetInput = builder.inputType('GatewayForgetInput', {
  description: 'Forgets a lost gateway.',
  fields: (t) => ({
    id: t.id({ description: 'Which gateway, by its `id` in `configStatus`.', required: true }),
    reason: reasonField(t),
  }),
})

builder.mutationField('gatewayForget', (t) =>
  t.field({
    type: DeletePayload,
    nullable: true,
    description: 'Forgets a gateway that will not come back: changes and usage reports no longer wait for it.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: GatewayForgetInput, required: true, description: 'Which gateway.' }) },
    resolve: (_root, { input }, context) => runCommand(context, forgetGateway, input),
  }),
)
