import { builder } from '../schema/builder.ts'
import { ModelCategory } from '../backend/enums.ts'
import { ProviderKind } from './enums.ts'
import { ServingState } from '../kit/enums.ts'
import { ModelPricingInput } from '../backend/pricing-input.ts'
import { createFields, editFields } from '../kit/change-fields.ts'
import { ProviderModelRefInput, ProviderRefInput } from '../kit/references-input.ts'
import { passageFields } from '../backend/request-rules-input.ts'
import { RouteAccessInput } from '../route/input.ts'

export const ProviderModelInput = builder.inputType('ProviderModelInput', {
  description: 'One model of a provider.',
  fields: (t) => ({
    upstreamModel: t.string({ description: 'Its name at the provider.', required: true }),
    categories: t.field({ type: [ModelCategory], description: 'Omitted: derived from the name.' }),
    pricing: t.field({ type: ModelPricingInput, description: 'Null or omitted: unknown.' }),
    operations: t.stringList({
      description:
        "Operations that the model serves, e.g. `/v1/messages`, at most 64. Omitted: those known for the provider's kind, or those stated before.",
    }),
    contextTokens: t.int({
      description: 'Tokens that fit into one request, the answer included. Omitted: unknown, or as stated before.',
    }),
  }),
})

export const HeaderInput = builder.inputType('HeaderInput', {
  description: 'A header that is sent with every request. Its value is write-only.',
  fields: (t) => ({
    name: t.string({ description: 'The header.', required: true }),
    value: t.string({ description: 'Its value.', required: true }),
  }),
})

export const ProviderCreateInput = builder.inputType('ProviderCreateInput', {
  description: 'A new provider.',
  fields: (t) => ({
    name: t.string({ description: 'Unique.', required: true }),
    description: t.string({ description: 'For people; at most 4,096 characters.', required: true, defaultValue: '' }),
    kind: t.field({
      type: ProviderKind,
      description: 'Which service it is.',
      required: true,
      defaultValue: 'OPENAI_COMPATIBLE',
    }),
    baseUrl: t.field({
      type: 'URL',
      description:
        'Base URL of the API. Omitted: the public endpoint of `kind`. For `OPENAI_COMPATIBLE` it must have a path, e.g. `/v1`.',
    }),
    secrets: t.field({
      type: ['String'],
      description: 'Secrets, in order of preference. Encrypted before they reach the database.',
      required: true,
      defaultValue: [],
    }),
    headers: t.field({
      type: [HeaderInput],
      description: 'At most 16. Values are encrypted before they reach the database.',
      required: true,
      defaultValue: [],
    }),
    proxyUrl: t.field({ type: 'URL', description: 'Proxy for all calls to it; null: none.' }),
    ...passageFields(t, 'the same'),
    models: t.field({ type: [ProviderModelInput], description: 'At most 500.', required: true, defaultValue: [] }),
    ...createFields(t),
  }),
})

export const ProviderUpdateInput = builder.inputType('ProviderUpdateInput', {
  description: 'Omitted fields stay as they are.',
  fields: (t) => ({
    provider: t.field({ type: ProviderRefInput, description: 'Which provider.', required: true }),
    name: t.string({ description: 'Unique. Routes keep using it.' }),
    description: t.string({ description: 'For people; at most 4,096 characters.' }),
    baseUrl: t.field({
      type: 'URL',
      description:
        'The new base URL. While secrets are stored, `secrets` must be given too: a secret is never sent to a host for which it was not entered.',
    }),
    secrets: t.field({ type: ['String'], description: 'The whole new list: it replaces the earlier one.' }),
    headers: t.field({ type: [HeaderInput], description: 'The whole new list: it replaces the earlier one.' }),
    proxyUrl: t.field({ type: 'URL', description: 'Null: none.' }),
    ...passageFields(t, 'as before'),
    state: t.field({
      type: ServingState,
      description: 'Whether it takes traffic. `DISABLED` takes all its models out of every route at once.',
    }),
    models: t.field({
      type: [ProviderModelInput],
      description:
        'The whole new list. A model that was listed before keeps its id and the fields that are omitted. A model that a route uses cannot be left out.',
    }),
    ...editFields(t),
  }),
})

export const ProviderDeleteInput = builder.inputType('ProviderDeleteInput', {
  description: 'Deletes a provider. Refused while a route uses one of its models.',
  fields: (t) => ({
    provider: t.field({ type: ProviderRefInput, description: 'Which provider.', required: true }),
    ...editFields(t),
  }),
})

export const ProviderDraftInput = builder.inputType('ProviderDraftInput', {
  description: 'A provider as it would be stored. Omitted `baseUrl`: the public endpoint of `kind`.',
  fields: (t) => ({
    kind: t.field({
      type: ProviderKind,
      description: 'Which service it is.',
      required: true,
      defaultValue: 'OPENAI_COMPATIBLE',
    }),
    baseUrl: t.field({ type: 'URL', description: 'Omitted: the public endpoint of `kind`.' }),
    secret: t.string({ description: 'Its credential. It is not stored.' }),
    headers: t.field({
      type: [HeaderInput],
      description: 'Headers of the request. They are not stored.',
      required: true,
      defaultValue: [],
    }),
    proxyUrl: t.field({ type: 'URL', description: 'Proxy for the request.' }),
  }),
})

export const ProviderProbeInput = builder.inputType('ProviderProbeInput', {
  description: 'A stored provider, or a draft of one.',
  isOneOf: true,
  fields: (t) => ({
    stored: t.field({ type: ProviderRefInput, description: 'A stored provider; its own credential is used.' }),
    draft: t.field({ type: ProviderDraftInput, description: 'A provider that is not stored.' }),
  }),
})

export const ProviderModelTestInput = builder.inputType('ProviderModelTestInput', {
  description: 'Makes one short call, which costs a few tokens.',
  fields: (t) => ({
    provider: t.field({ type: ProviderRefInput, description: 'Which provider.', required: true }),
    model: t.string({ description: "The model's name at the provider.", required: true }),
  }),
})

export const ProviderRouteCreateInput = builder.inputType('ProviderRouteCreateInput', {
  description:
    'Creates a route with one model of a provider as its only target, weight 100. Without `model` and `name` it is the first model, and the route has its name.',
  fields: (t) => ({
    provider: t.field({ type: ProviderRefInput, description: 'Which provider.', required: true }),
    model: t.string({ description: "The model of the target. Omitted: the provider's first model." }),
    name: t.string({ description: "The name of the route. Omitted: the model's name." }),
    access: t.field({ type: RouteAccessInput, description: 'Omitted: any active key may call it.' }),
    ...createFields(t),
  }),
})

export const ProviderModelAddInput = builder.inputType('ProviderModelAddInput', {
  description: 'Adds a model; the others stay as they are.',
  fields: (t) => ({
    provider: t.field({ type: ProviderRefInput, description: 'Which provider.', required: true }),
    model: t.field({ type: ProviderModelInput, description: 'The model.', required: true }),
    ...editFields(t),
  }),
})

export const ProviderModelUpdateInput = builder.inputType('ProviderModelUpdateInput', {
  description: 'Omitted fields stay as they are.',
  fields: (t) => ({
    model: t.field({ type: ProviderModelRefInput, description: 'Which model.', required: true }),
    categories: t.field({ type: [ModelCategory], description: 'What the model is for.' }),
    pricing: t.field({ type: ModelPricingInput, description: 'Null: unknown.' }),
    operations: t.stringList({
      description: "Operations that the model serves, at most 64. Null: those known for the provider's kind.",
    }),
    contextTokens: t.int({ description: 'Tokens that fit into one request, the answer included; null: unknown.' }),
    ...editFields(t),
  }),
})

export const ProviderModelRemoveInput = builder.inputType('ProviderModelRemoveInput', {
  description: 'Removes a model. Refused while a route uses it.',
  fields: (t) => ({
    model: t.field({ type: ProviderModelRefInput, description: 'Which model.', required: true }),
    ...editFields(t),
  }),
})

export const ProviderCredentialAddInput = builder.inputType('ProviderCredentialAddInput', {
  description: 'Adds a secret; the others stay as they are.',
  fields: (t) => ({
    provider: t.field({ type: ProviderRefInput, description: 'Which provider.', required: true }),
    secret: t.string({ description: 'Encrypted before it reaches the database.', required: true }),
    preferred: t.boolean({
      description: 'Whether this secret is used before the others.',
      required: true,
      defaultValue: false,
    }),
    ...editFields(t),
  }),
})

export const ProviderCredentialRemoveInput = builder.inputType('ProviderCredentialRemoveInput', {
  description: 'Removes a secret.',
  fields: (t) => ({
    id: t.id({ description: 'Which credential.', required: true }),
    ...editFields(t),
  }),
})
