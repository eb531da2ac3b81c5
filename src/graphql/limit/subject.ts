import type { LimitSubject } from '../../routing/limits/limit.ts'
import { installationId, typeOfId } from '../../routing/config/object-id.ts'
import { builder } from '../schema/builder.ts'
import type { GraphQLContext } from '../kit/context.ts'
import { fault } from '../kit/fault.ts'
import { loadNode } from '../schema/node.ts'
import { ApiKeyRef } from '../api-key/ref.ts'
import { DeploymentRef } from '../deployment/ref.ts'
import { InstallationRef } from './ref.ts'
import { NodeRef } from '../schema/refs.ts'
import type { NodeRow } from '../kit/node-row.ts'
import { ProviderModelRef, ProviderRef } from '../provider/ref.ts'
import { RouteRef } from '../route/ref.ts'
import { UserRef } from '../user/ref.ts'

builder.objectType(InstallationRef, {
  description: 'The whole installation.',
  interfaces: [NodeRef],
  fields: (t) => ({
    version: t.string({
      description: 'Its software version, as `npm start` prints it.',
      resolve: (_installation, _args, { live }) => live.productVersion,
    }),
  }),
})

export const LimitSubjectRef = builder.unionType('LimitSubject', {
  description: 'The object to which a limit or a budget applies.',
  types: [UserRef, ApiKeyRef, RouteRef, ProviderRef, ProviderModelRef, DeploymentRef, InstallationRef],
  resolveType: ({ id }) => typeOfId(id)!,
})

/** The subject as a node. Deleting a subject deletes its limits, so it can only be missing if it was deleted between two reads. */
export async function loadLimitSubject(context: GraphQLContext, subject: LimitSubject): Promise<NodeRow> {
  const node = await loadNode(context, subject.kind === 'INSTALLATION' ? installationId : subject.id)
  if (!node) throw fault('NOT_FOUND', 'The subject of the limit was deleted meanwhile: read again.')
  return node
}

export const LimitSubjectInput = builder.inputType('LimitSubjectInput', {
  description: 'The subject, by its id, or the whole installation.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'The id of a user, an API key, a route, a provider, a provider model or a deployment.' }),
    installation: t.boolean({ description: '`true`: the whole installation.' }),
  }),
})
