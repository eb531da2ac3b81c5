import type { Answer } from '../../control/kit/context.ts'
import { findRouteCreatedWith } from '../../storage/route/read.ts'
import { BackendWarningRef, warningsOfDeployment } from '../backend/warning.ts'
import { builder } from '../schema/builder.ts'
import { MutationPayloadRef } from '../kit/payload.ts'
import { DeploymentRef } from './ref.ts'
import { RouteRef } from '../route/ref.ts'

/** The payload of a command whose value is the deployment's id. */
export const DeploymentPayload = builder.objectRef<Answer<string>>('DeploymentPayload').implement({
  description: 'The answer to a change of a deployment.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    deployment: t.field({
      type: DeploymentRef,
      nullable: true,
      description: 'The deployment after the change; null if nothing was committed.',
      resolve: (answer, _args, { loaders }) => (answer.ok ? loaders.deployment.load(answer.value) : null),
    }),
    warnings: t.field({
      type: [BackendWarningRef],
      description: 'Why the deployment, as it is now, will probably not answer.',
      resolve: async (answer, _args, context) => {
        const row = answer.ok ? await context.loaders.deployment.load(answer.value) : null
        return row ? warningsOfDeployment(context, row) : []
      },
    }),
    route: t.field({
      type: RouteRef,
      nullable: true,
      description: 'The route that was created with it; null if none was.',
      resolve: async (answer, _args, { db }) => (answer.ok && (await findRouteCreatedWith(db, answer.value))) || null,
    }),
  }),
})
