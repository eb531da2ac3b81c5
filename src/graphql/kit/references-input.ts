import { builder } from '../schema/builder.ts'

export const ProviderRefInput = builder.inputType('ProviderRefInput', {
  description: 'A provider, by its id or its name.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'Its id.' }),
    name: t.string({ description: 'Its name.' }),
  }),
})

export const DeploymentRefInput = builder.inputType('DeploymentRefInput', {
  description: 'A deployment, by its id or its name.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'Its id.' }),
    name: t.string({ description: 'Its name.' }),
  }),
})

export const RouteRefInput = builder.inputType('RouteRefInput', {
  description: 'A route, by its id or its name.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'Its id.' }),
    name: t.string({ description: 'Its name.' }),
  }),
})

export const UserRefInput = builder.inputType('UserRefInput', {
  description: 'A user, by its id or its name.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'Its id.' }),
    name: t.string({ description: 'Its name.' }),
  }),
})

export const ProviderModelRefInput = builder.inputType('ProviderModelRefInput', {
  description: 'A provider model, by the names of its provider and model.',
  fields: (t) => ({
    provider: t.string({ description: "The provider's name.", required: true }),
    model: t.string({ description: "The model's name at the provider.", required: true }),
  }),
})

export const BackendRefInput = builder.inputType('BackendRefInput', {
  description: 'A backend, by its id or its name.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'The id of a provider model or of a deployment.' }),
    providerModel: t.field({
      type: ProviderModelRefInput,
      description: 'A provider model, by the names of its provider and model.',
    }),
    deployment: t.string({ description: "A deployment's name." }),
  }),
})

export const TargetRefInput = builder.inputType('TargetRefInput', {
  description: 'A target of a route: by its id, or by its backend.',
  isOneOf: true,
  fields: (t) => ({
    id: t.id({ description: 'The id of the target, or of its backend.' }),
    deployment: t.string({ description: "A deployment's name." }),
    providerModel: t.field({
      type: ProviderModelRefInput,
      description: 'A provider model, by the names of its provider and model.',
    }),
  }),
})
