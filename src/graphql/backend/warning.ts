import { type BackendWarning, deploymentWarnings, unsafeUrl } from '../../control/deployment/warnings.ts'
import type { DeploymentRow } from '../../storage/deployment/read.ts'
import type { ProviderRow } from '../../storage/provider/read.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { BackendWarningCode } from './enums.ts'
import { DeploymentEndpointRef } from '../deployment/ref.ts'

export const BackendWarningRef = builder.objectRef<BackendWarning>('BackendWarning').implement({
  description: 'Why a backend will probably not answer.',
  fields: (t) => ({
    code: t.expose('code', { type: BackendWarningCode, description: 'What kind of fault it is.' }),
    message: t.exposeString('message', { description: 'What is wrong, and what to do.' }),
    endpoint: t.field({
      type: DeploymentEndpointRef,
      nullable: true,
      description: 'Which endpoint; null if it is about the whole backend.',
      resolve: ({ endpointId }, _args, { loaders }) => (endpointId === null ? null : loaders.endpoint.load(endpointId)),
    }),
  }),
})

/** The warnings of a deployment, by its last probe and by the current settings of this installation. */
export async function warningsOfDeployment(context: GraphQLContext, row: DeploymentRow): Promise<BackendWarning[]> {
  const { control, loaders } = context
  const [endpoints, probes] = await Promise.all([
    loaders.endpointsOfDeployment.load(row.id),
    loaders.probesOfDeployment.load(row.id),
  ])
  const answers = probes.flatMap((probe) => probe.answers)
  return deploymentWarnings(control.upstreams, row.upstream_model, endpoints, answers)
}

/** The warnings of a provider, by the current settings of this installation and by the last answers to its credentials. */
export async function warningsOfProvider(context: GraphQLContext, row: ProviderRow): Promise<BackendWarning[]> {
  const { control, live, loaders } = context
  const urls = [row.base_url, ...(row.proxy_url === null ? [] : [row.proxy_url])]
  const unsafe = urls.flatMap((url) => unsafeUrl(control.upstreams, url, null) ?? [])
  const credentials = await loaders.credentialsOfProvider.load(row.id)
  const refused = credentials.filter(({ id }) => {
    const health = live.health(id)
    return health?.circuit === 'OPEN' && health.lastError === 'UPSTREAM_AUTH'
  })
  return [...unsafe, ...refused.map(({ hint }) => refusedCredential(row.name, hint))]
}

function refusedCredential(provider: string, hint: string): BackendWarning {
  return {
    code: 'CREDENTIAL_REFUSED',
    message: `${provider} does not accept the credential that ends in ${hint}: replace it, or look at the account.`,
    endpointId: null,
  }
}
