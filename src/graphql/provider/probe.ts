import type { Actor, Answer, ControlContext } from '../../control/kit/context.ts'
import { type ProviderModelTest, testProviderModel } from '../../control/provider/model-test.ts'
import { type AvailableModel, probeProvider, type ProviderProbe } from '../../control/provider/probe.ts'
import { writesConfig } from '../kit/authorisation.ts'
import { builder } from '../schema/builder.ts'
import { ModelCategory } from '../backend/enums.ts'
import { MutationPayloadRef, runCommand } from '../kit/payload.ts'
import { ModelPricingRef } from '../backend/pricing.ts'
import { suggestedContextTokens, suggestedPricing } from './price-suggestion.ts'
import { ProviderModelTestInput, ProviderProbeInput } from './input.ts'

const AvailableModelRef = builder.objectRef<AvailableModel>('AvailableModel').implement({
  description: 'A model that a provider lists.',
  fields: (t) => ({
    upstreamModel: t.exposeString('upstreamModel', { description: 'Its name at the provider.' }),
    categories: t.expose('categories', {
      type: [ModelCategory],
      description: 'What it is for, as the provider states, or else derived from its name.',
    }),
    selected: t.exposeBoolean('selected', { description: "Whether it is among the provider's `models`." }),
    suggestedPricing: t.field({
      type: ModelPricingRef,
      nullable: true,
      description: suggestedPricing.description,
      resolve: ({ provider, upstreamModel }) => suggestedPricing.find(provider, upstreamModel),
    }),
    suggestedContextTokens: t.int({
      nullable: true,
      description: suggestedContextTokens.description,
      resolve: ({ provider, upstreamModel }) => suggestedContextTokens.find(provider, upstreamModel),
    }),
  }),
})

const ProviderProbePayload = builder.objectRef<Answer<ProviderProbe>>('ProviderProbePayload').implement({
  description: 'The answer of a provider to the question which models it has.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    models: t.field({
      type: [AvailableModelRef],
      nullable: true,
      description:
        'The models that the provider lists. Null if the provider could not be asked (`userErrors` says why); empty if it answers but lists none.',
      resolve: (answer) => (answer.ok ? answer.value.models : null),
    }),
    latencyMs: t.float({
      nullable: true,
      description: 'How long the answer took.',
      resolve: (answer) => (answer.ok ? answer.value.latencyMs : null),
    }),
  }),
})

/** A failed test has its reason in the user errors, and its status and latency nevertheless. */
type TestAnswer = Answer<unknown> & { readonly test: ProviderModelTest | null }

const ProviderModelTestPayload = builder.objectRef<TestAnswer>('ProviderModelTestPayload').implement({
  description: 'The answer of a model to a test call.',
  interfaces: [MutationPayloadRef],
  fields: (t) => ({
    ok: t.boolean({ description: 'Whether it answered as it should.', resolve: ({ test }) => test?.ok ?? false }),
    status: t.int({
      nullable: true,
      description: 'The status of the answer; null if none came.',
      resolve: ({ test }) => test?.status ?? null,
    }),
    latencyMs: t.float({
      nullable: true,
      description: 'How long the answer took.',
      resolve: ({ test }) => test?.latencyMs ?? null,
    }),
  }),
})

const probe = withoutActor(probeProvider)
const testModel = withoutActor(testProviderModel)

builder.mutationFields((t) => ({
  providerProbe: t.field({
    type: ProviderProbePayload,
    nullable: true,
    description: 'Asks a provider which models it has.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: ProviderProbeInput, required: true, description: 'The provider to ask.' }) },
    resolve: (_root, { input }, context) => runCommand(context, probe, input),
  }),
  providerModelTest: t.field({
    type: ProviderModelTestPayload,
    nullable: true,
    description: 'Asks one model for a few tokens.',
    authScopes: writesConfig,
    args: { input: t.arg({ type: ProviderModelTestInput, required: true, description: 'Which model.' }) },
    resolve: async (_root, { input }, context) => toTestAnswer(await runCommand(context, testModel, input)),
  }),
}))

function toTestAnswer(answer: Answer<ProviderModelTest>): TestAnswer {
  if (!answer.ok) return { ...answer, test: null }
  const { value: test, version } = answer
  return test.fault ? { ok: false, refusals: [test.fault], version, test } : { ...answer, test }
}

/** A command that is the same for every caller. */
function withoutActor<Input, Value>(command: (control: ControlContext, input: Input) => Promise<Answer<Value>>) {
  return (control: ControlContext, _actor: Actor, input: Input) => command(control, input)
}
