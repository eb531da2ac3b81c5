import { createApiKey, type CreatedApiKey } from '../../control/api-key/create.ts'
import { revokeApiKey } from '../../control/api-key/revoke.ts'
import { rotateApiKey } from '../../control/api-key/rotate.ts'
import { updateApiKey } from '../../control/api-key/update.ts'
import type { Answer } from '../../control/kit/context.ts'
import { ApiKeyCreateInput, ApiKeyRevokeInput, ApiKeyRotateInput, ApiKeyUpdateInput } from './input.ts'
import { managesKeys } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { MutationPayloadRef, runCommand } from '../kit/payload.ts'
import { ApiKeyRef } from './ref.ts'

const ApiKeyPayload = builder.objectRef<Answer<string>>('ApiKeyPayload').implement({
  description: 'The answer to a change of a key.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    apiKey: t.field({
      type: ApiKeyRef,
      nullable: true,
      description: 'The key after the change; null if nothing was committed.',
      resolve: (answer, _args, { loaders }) => (answer.ok ? loaders.apiKey.load(answer.value) : null),
    }),
  }),
})

const ApiKeyCreatePayload = builder.objectRef<Answer<CreatedApiKey>>('ApiKeyCreatePayload').implement({
  description: 'The answer to the creation of a key.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    apiKey: t.field({
      type: ApiKeyRef,
      nullable: true,
      description: 'The key; null if nothing was committed.',
      resolve: (answer, _args, { loaders }) => (answer.ok ? loaders.apiKey.load(answer.value.apiKeyId) : null),
    }),
    secret: t.string({
      nullable: true,
      description: 'The secret. It is shown only in this answer.',
      resolve: (answer) => (answer.ok ? answer.value.secret : null),
    }),
  }),
})

builder.mutationFields((t) => ({
  apiKeyCreate: t.field({
    type: ApiKeyCreatePayload,
    nullable: true,
    description: 'Creates a key. Only this answer shows its secret.',
    authScopes: managesKeys,
    args: { input: t.arg({ type: ApiKeyCreateInput, required: true, description: 'The key.' }) },
    resolve: (_root, { input }, context) => runCommand(context, createApiKey, input),
  }),
  apiKeyUpdate: t.field({
    type: ApiKeyPayload,
    nullable: true,
    description: 'Changes the name, routes or expiry of a key. Its scopes and owner cannot be changed.',
    authScopes: managesKeys,
    args: { input: t.arg({ type: ApiKeyUpdateInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input }, context) => runCommand(context, updateApiKey, input),
  }),
  apiKeyRotate: t.field({
    type: ApiKeyCreatePayload,
    nullable: true,
    description:
      'Gives a key a second secret. Its owner, scopes, routes, grants and usage stay. The old secret ends after `overlapMs`.',
    authScopes: managesKeys,
    args: { input: t.arg({ type: ApiKeyRotateInput, required: true, description: 'Which key.' }) },
    resolve: (_root, { input }, context) => runCommand(context, rotateApiKey, input),
  }),
  apiKeyRevoke: t.field({
    type: ApiKeyPayload,
    nullable: true,
    description: 'Revokes a key: every gateway refuses it from then on.',
    authScopes: managesKeys,
    args: { input: t.arg({ type: ApiKeyRevokeInput, required: true, description: 'What to revoke.' }) },
    resolve: (_root, { input }, context) => runCommand(context, revokeApiKey, input),
  }),
}))
