import { createProvider } from '../../control/provider/create.ts'
import { removeProvider } from '../../control/provider/delete.ts'
import { updateProvider } from '../../control/provider/update.ts'
import {
  addProviderCredential,
  addProviderModel,
  removeProviderCredential,
  removeProviderModel,
  updateProviderModel,
} from '../../control/provider/parts.ts'
import { createProviderRoute } from '../../control/provider/create-route.ts'
import { writesConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { DeletePayload, runCommand } from '../kit/payload.ts'
import {
  ProviderCreateInput,
  ProviderCredentialAddInput,
  ProviderCredentialRemoveInput,
  ProviderDeleteInput,
  ProviderModelAddInput,
  ProviderModelRemoveInput,
  ProviderModelUpdateInput,
  ProviderRouteCreateInput,
  ProviderUpdateInput,
} from './input.ts'
import { ProviderPayload } from './payload.ts'
import { RoutePayload } from '../route/payload.ts'

builder.mutationFields((t) => ({
  providerCreate: t.field({
    type: ProviderPayload,
    nullable: true,
    description: 'Creates a provider.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: ProviderCreateInput, required: true, description: 'The provider.' }) },
    resolve: (_root, { input }, context) => runCommand(context, createProvider, input),
  }),
  providerUpdate: t.field({
    type: ProviderPayload,
    nullable: true,
    description: 'Changes a provider.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: ProviderUpdateInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input }, context) => runCommand(context, updateProvider, input),
  }),
  providerDelete: t.field({
    type: DeletePayload,
    nullable: true,
    description: 'Deletes a provider. Refused while a route uses one of its models.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: ProviderDeleteInput, required: true, description: 'What to delete.' }) },
    resolve: (_root, { input }, context) => runCommand(context, removeProvider, input),
  }),
  providerModelAdd: t.field({
    type: ProviderPayload,
    nullable: true,
    description: 'Adds a model; the others stay as they are.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: ProviderModelAddInput, required: true, description: 'The model.' }) },
    resolve: (_root, { input }, context) => runCommand(context, addProviderModel, input),
  }),
  providerModelUpdate: t.field({
    type: ProviderPayload,
    nullable: true,
    description: 'Changes one model.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: ProviderModelUpdateInput, required: true, description: 'What to change.' }) },
    resolve: (_root, { input }, context) => runCommand(context, updateProviderModel, input),
  }),
  providerModelRemove: t.field({
    type: ProviderPayload,
    nullable: true,
    description: 'Removes one model. Refused while a route uses it.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: ProviderModelRemoveInput, required: true, description: 'What to remove.' }) },
    resolve: (_root, { input }, context) => runCommand(context, removeProviderModel, input),
  }),
  providerCredentialAdd: t.field({
    type: ProviderPayload,
    nullable: true,
    description: 'Adds a secret; the others stay as they are.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: ProviderCredentialAddInput, required: true, description: 'The secret.' }) },
    resolve: (_root, { input }, context) => runCommand(context, addProviderCredential, input),
  }),
  providerCredentialRemove: t.field({
    type: ProviderPayload,
    nullable: true,
    description: 'Removes one secret.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: ProviderCredentialRemoveInput, required: true, description: 'What to remove.' }) },
    resolve: (_root, { input }, context) => runCommand(context, removeProviderCredential, input),
  }),
  providerRouteCreate: t.field({
    type: RoutePayload,
    nullable: true,
    description: 'Creates a route with one model of a provider as its target.',
    authScopes: writesConfig,
    args: {
      input: t.arg({
        type: ProviderRouteCreateInput,
        required: true,
        description: 'The provider, and optionally the model, the name and the access.',
      }),
    },
    resolve: (_root, { input }, context) => runCommand(context, createProviderRoute, input),
  }),
}))
