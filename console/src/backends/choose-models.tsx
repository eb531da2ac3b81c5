import { type FormEvent, useEffect, useState } from 'react'
import { graphql } from '../api/graphql.ts'
import { ChangedMeanwhile } from '../change/changed-meanwhile.tsx'
import { Faults } from '../change/faults.tsx'
import { useChange } from '../change/use-change.ts'
import { Dialog } from '../ui/dialog.tsx'
import { milliseconds } from '../ui/figures.ts'
import { Source } from '../ui/source.tsx'
import { Empty, Waiting } from '../ui/state.tsx'
import type { ProviderNode } from './backends-document.ts'
import { UpdateProvider } from './update-provider.ts'

const Probe = graphql(`
  mutation Probe($provider: ID!) {
    providerProbe(input: { stored: { id: $provider } }) {
      userErrors {
        code
        message
      }
      latencyMs
      models {
        upstreamModel
        selected
        suggestedPricing {
          inputPerMillion
          outputPerMillion
        }
      }
    }
  }
`)

interface Props {
  readonly provider: ProviderNode
  readonly onClose: () => void
}

/** Asks the provider which models it has, and takes those that are chosen. What routes use cannot be left out. */
export function ChooseModelsDialog({ provider, onClose }: Props) {
  const probe = useChange(Probe, `${provider.name} answered.`)
  const update = useChange(UpdateProvider, `The models of ${provider.name} are chosen.`)
  const [answer, setAnswer] = useState<Awaited<ReturnType<typeof probe.run>>>()
  const [seenRevision, setSeenRevision] = useState(provider.revision)
  const stored = provider.models.map(({ upstreamModel }) => upstreamModel)
  const [chosen, setChosen] = useState<readonly string[]>(stored)
  const [search, setSearch] = useState('')
  const askProvider = { provider: provider.id }
  useEffect(() => {
    let isOpen = true
    void probe.run({ provider: provider.id }).then((payload) => isOpen && setAnswer(payload))
    return () => {
      isOpen = false
    }
  }, [])
  const offered = answer?.models ?? []
  const names = [...new Set([...stored, ...offered.map(({ upstreamModel }) => upstreamModel)])]
  const variables = {
    input: {
      provider: { id: provider.id },
      models: names.filter((name) => chosen.includes(name)).map((upstreamModel) => ({ upstreamModel })),
      expectedRevision: seenRevision,
    },
  }
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (await update.run(variables)) onClose()
  }
  return (
    <Dialog title={`Models of ${provider.name}`} onClose={onClose}>
      <p className="hint" role="status">
        {answer && `${offered.length} models, answered in ${milliseconds(answer.latencyMs ?? 0)} `}
        <Source of={`Probe ${provider.name}`} document={Probe} variables={askProvider} />
      </p>
      <Faults faults={probe.faults} />
      {probe.isRunning && <Waiting />}
      {answer && names.length === 0 && <Empty>It answers, and lists no model.</Empty>}
      <form onSubmit={(event) => void submit(event)}>
        {names.length > 12 && (
          <input
            type="search"
            aria-label="Find a model"
            placeholder="Find a model"
            value={search}
            onChange={(event) => setSearch(event.target.value)}
          />
        )}
        <fieldset className="choices">
          <legend>Routes may use</legend>
          {names
            .filter((name) => name.toLowerCase().includes(search.trim().toLowerCase()))
            .map((name) => (
              <ModelChoice
                key={name}
                name={name}
                price={offered.find(({ upstreamModel }) => upstreamModel === name)?.suggestedPricing ?? null}
                isGone={answer !== undefined && !offered.some(({ upstreamModel }) => upstreamModel === name)}
                isChosen={chosen.includes(name)}
                onChange={(isChosen) =>
                  setChosen(isChosen ? [...chosen, name] : chosen.filter((other) => other !== name))
                }
              />
            ))}
        </fieldset>
        <ChangedMeanwhile
          subjectId={provider.id}
          seenRevision={seenRevision}
          revision={provider.revision}
          onRebase={() => setSeenRevision(provider.revision)}
        />
        <Faults faults={update.faults.filter(({ code }) => code !== 'REVISION_CONFLICT')} />
        <footer>
          <button className="primary" disabled={update.isRunning || provider.revision !== seenRevision}>
            Take these models
          </button>
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <Source of="Choose models" document={UpdateProvider} variables={variables} />
        </footer>
      </form>
    </Dialog>
  )
}

interface ChoiceProps {
  readonly name: string
  readonly price: { readonly inputPerMillion: string; readonly outputPerMillion: string } | null
  readonly isGone: boolean
  readonly isChosen: boolean
  readonly onChange: (isChosen: boolean) => void
}

function ModelChoice({ name, price, isGone, isChosen, onChange }: ChoiceProps) {
  return (
    <label className="check">
      <input type="checkbox" checked={isChosen} onChange={(event) => onChange(event.target.checked)} /> {name}
      {price && (
        <span className="hint">
          {' '}
          {price.inputPerMillion} / {price.outputPerMillion} USD per million in the catalogue
        </span>
      )}
      {isGone && <span className="badge warn">not listed by it</span>}
    </label>
  )
}
