import type { AnyVariables, TypedDocumentNode } from 'urql'
import { AddProvider, AddTarget, Deploy, Fallback, Replace, RouteForProvider } from './story-documents.ts'

export type FieldKind = 'text' | 'url' | 'password' | 'number' | 'route' | 'backend'

export interface Field {
  readonly name: string
  readonly label: string
  readonly kind: FieldKind
  readonly value?: string
  readonly isOptional?: boolean
}

export type Values = Readonly<Record<string, string>>

export interface Step {
  readonly name: string
  readonly document: TypedDocumentNode<unknown, AnyVariables>
  readonly variables: AnyVariables
}

export interface Story {
  readonly id: string
  readonly title: string
  readonly text: string
  readonly action: string
  readonly fields: readonly Field[]
  readonly steps: (values: Values) => readonly Step[]
}

/** Each step's variables are checked against its own document here; a story only runs them in turn. */
function step<Data, Variables extends AnyVariables>(
  name: string,
  document: TypedDocumentNode<Data, Variables>,
  variables: NoInfer<Variables>,
): Step {
  return { name, document: document as TypedDocumentNode<unknown, AnyVariables>, variables }
}

/** What a new user does in the first hour. */
export const stories: readonly Story[] = [
  {
    id: 'deploy',
    title: '1. A model of your own, with a route',
    text: 'The model answers under its name at once. The server may be vLLM, SGLang, llama.cpp or anything else that speaks the OpenAI API.',
    action: 'Deploy it',
    fields: [
      { name: 'name', label: 'Name', kind: 'text', value: 'my-model' },
      { name: 'url', label: 'Base URL of the server', kind: 'url', value: 'http://127.0.0.1:8000/v1' },
      { name: 'model', label: 'Model’s name at the server', kind: 'text', isOptional: true },
    ],
    steps: ({ name = '', url = '', model }) => [
      step('Deploy', Deploy, { input: { name, endpoints: [{ url }], upstreamModel: model || null } }),
    ],
  },
  {
    id: 'upgrade',
    title: '2. A new version behind the same name',
    text: 'New requests go to the new version, those in flight end where they are, and the wall takes it back with one button.',
    action: 'Upgrade',
    fields: [
      { name: 'route', label: 'Route', kind: 'route' },
      { name: 'old', label: 'What it replaces', kind: 'backend' },
      { name: 'name', label: 'Name of the new version', kind: 'text', value: 'my-model-2' },
      { name: 'url', label: 'Base URL of its server', kind: 'url', value: 'http://127.0.0.1:8001/v1' },
      { name: 'model', label: 'Model’s name at the server', kind: 'text', isOptional: true },
    ],
    steps: ({ route = '', old = '', name = '', url = '', model }) => [
      step('Deploy the new version', Deploy, {
        input: { name, endpoints: [{ url }], upstreamModel: model || null, enableModelRoute: false },
      }),
      step('Put it in the place of the old one', Replace, { route, old, new: name }),
    ],
  },
  {
    id: 'split',
    title: '3. Your own and a public model together',
    text: 'A weight is a share of the traffic, kept exactly. 100 and 100 are half and half.',
    action: 'Add it',
    fields: [
      { name: 'route', label: 'Route', kind: 'route' },
      { name: 'provider', label: 'Name of the provider', kind: 'text', value: 'openai' },
      { name: 'url', label: 'Its base URL', kind: 'url', value: 'https://api.openai.com/v1' },
      { name: 'secret', label: 'Its key', kind: 'password', isOptional: true },
      { name: 'model', label: 'Model', kind: 'text', value: 'gpt-5-mini' },
      { name: 'weight', label: 'Weight', kind: 'number', value: '100' },
    ],
    steps: ({ route = '', provider = '', url = '', secret, model = '', weight }) => [
      step('Add the provider', AddProvider, {
        input: { name: provider, baseUrl: url, secrets: secret ? [secret] : [], models: [{ upstreamModel: model }] },
      }),
      step('Add it to the route', AddTarget, { route, provider, model, weight: Number(weight) }),
    ],
  },
  {
    id: 'fallback',
    title: '4. A fallback when it fails or is full',
    text: 'Asked only when the target of a request fails, and only before the first byte of an answer.',
    action: 'Set the fallback',
    fields: [
      { name: 'route', label: 'Route', kind: 'route' },
      { name: 'backend', label: 'Fallback', kind: 'backend' },
    ],
    steps: ({ route = '', backend = '' }) => [step('Set the fallback', Fallback, { route, backend })],
  },
  {
    id: 'existing',
    title: '5. A server that runs already',
    text: 'Ollama, LM Studio, a colleague’s gateway: anything that speaks the OpenAI API, with a key or without.',
    action: 'Put it behind Signalbox',
    fields: [
      { name: 'provider', label: 'Name', kind: 'text', value: 'ollama' },
      { name: 'url', label: 'Base URL', kind: 'url', value: 'http://127.0.0.1:11434/v1' },
      { name: 'secret', label: 'Key', kind: 'password', isOptional: true },
      { name: 'model', label: 'Model', kind: 'text', value: 'llama3.2' },
      { name: 'name', label: 'Name of the route', kind: 'text', value: 'llama3.2' },
    ],
    steps: ({ provider = '', url = '', secret, model = '', name = '' }) => [
      step('Add the provider', AddProvider, {
        input: { name: provider, baseUrl: url, secrets: secret ? [secret] : [], models: [{ upstreamModel: model }] },
      }),
      step('Make the route', RouteForProvider, { provider, model, name }),
    ],
  },
]
