import { countProviders, findProvider, listProviders } from '../../storage/provider/read.ts'
import { readsConfig, seesUpstreams } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { connectObjects } from '../kit/object-list.ts'
import { ObjectOrderInput } from '../kit/object-order.ts'
import { connectionType, pageArgs, pageCost } from '../kit/connection.ts'
import { ProviderKind } from './enums.ts'
import { ServingState } from '../kit/enums.ts'
import { BackendHealthRef, worstHealth } from '../backend/health.ts'
import { ProviderCredentialRef } from './credential.ts'
import { ProviderRefInput } from '../kit/references-input.ts'
import { BackendRequestRulesRef } from '../backend/request-rules.ts'
import { NodeRef, VersionedRef } from '../schema/refs.ts'
import { ProviderModelRef, ProviderRef } from './ref.ts'

builder.objectType(ProviderRef, {
  description:
    'A service that is called with its own credential: a public model-as-a-service, or any OpenAI-compatible server.',
  interfaces: [NodeRef, VersionedRef],
  authScopes: seesUpstreams,
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Unique.', skipTypeScopes: true }),
    description: t.exposeString('description', { description: 'For people.' }),
    kind: t.expose('kind', { type: ProviderKind, description: 'Which service it is.' }),
    baseUrl: t.expose('base_url', { type: 'URL', description: 'The URL to which the paths of calls are appended.' }),
    state: t.expose('state', {
      type: ServingState,
      description: 'Whether it takes traffic. `DISABLED` takes all its models out of every route at once.',
    }),
    credentials: t.field({
      type: [ProviderCredentialRef],
      description: 'Its credentials, in order of preference, at most 16. Empty: it is called without a credential.',
      resolve: ({ id }, _args, { loaders }) => loaders.credentialsOfProvider.load(id),
    }),
    headerNames: t.stringList({
      description: 'Names of the headers that are sent with every request, at most 16. The values are write-only.',
      resolve: async ({ id }, _args, { loaders }) =>
        (await loaders.headerNamesOfProvider.load(id)).map((header) => header.name),
    }),
    proxyUrl: t.expose('proxy_url', { type: 'URL', nullable: true, description: 'Proxy for all calls to it.' }),
    requestRules: t.field({
      type: BackendRequestRulesRef,
      description: 'Which headers pass to it and back besides the fixed lists, and what is changed in its requests.',
      resolve: (row) => row,
    }),
    caCertificates: t.exposeString('ca_certificates', {
      nullable: true,
      description: "PEM of certificate authorities to trust besides the system's.",
    }),
    models: t.field({
      type: [ProviderModelRef],
      description: 'At most 500.',
      resolve: ({ id }, _args, { loaders }) => loaders.modelsOfProvider.load(id),
    }),
    health: t.field({
      type: BackendHealthRef,
      nullable: true,
      description: 'The worst health of its models and credentials; null until a gateway has reported it.',
      resolve: async ({ id }, _args, { live, loaders }) => {
        const parts = [...(await loaders.modelsOfProvider.load(id)), ...(await loaders.credentialsOfProvider.load(id))]
        return worstHealth(
          live,
          parts.map((part) => part.id),
        )
      },
    }),
  }),
})

const ProviderConnection = connectionType('Provider', ProviderRef, {
  isCounted: true,
  description: 'A page of providers.',
})

builder.queryFields((t) => ({
  provider: t.field({
    type: ProviderRef,
    nullable: true,
    description: 'The provider with this id or name; null if there is none.',
    authScopes: readsConfig,
    args: { by: t.arg({ type: ProviderRefInput, required: true, description: 'The object to read.' }) },
    resolve: async (_root, { by }, { db }) => (await findProvider(db, by)) ?? null,
  }),
  providers: t.field({
    type: ProviderConnection,
    description: 'In order of creation, unless `orderBy` says otherwise.',
    authScopes: readsConfig,
    complexity: pageCost,
    args: {
      ...pageArgs(t.arg),
      orderBy: t.arg({ type: ObjectOrderInput, description: 'Omitted: in order of creation.' }),
      search: t.arg.string({ description: 'Part of the name, whatever its case.' }),
    },
    resolve: (_root, args, context, info) => {
      const filter = { search: args.search ?? null }
      return connectObjects(
        context,
        { name: 'providers', read: listProviders, count: countProviders },
        filter,
        args,
        info,
      )
    },
  }),
}))
