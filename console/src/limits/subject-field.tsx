import { BackendNames } from '../backends/backend-names.ts'
import { graphql } from '../api/graphql.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { FilterChoices } from '../requests/request-documents.ts'
import { useSession } from '../session/session.tsx'

const Users = graphql(`
  query LimitUsers {
    users(first: 100, orderBy: { field: NAME }) {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`)

const Providers = graphql(`
  query LimitProviders {
    providers(first: 100, orderBy: { field: NAME }) {
      edges {
        node {
          id
          name
        }
      }
    }
  }
`)

/** The value that stands for the whole installation. */
const installation = 'installation'

/** What a new limit or budget is about. */
export function SubjectField() {
  const { may } = useSession()
  const users = useConfigQuery(Users, {}, may('ADMIN')).data
  const choices = useConfigQuery(FilterChoices, {}).data
  const backends = useConfigQuery(BackendNames, {}).data
  const providers = useConfigQuery(Providers, {}).data
  return (
    <label>
      About
      <select name="subject">
        <option value={installation}>the whole installation</option>
        <Group label="Routes" choices={choices?.routes.edges.map(({ node }) => node)} />
        <Group label="Keys" choices={choices?.apiKeys.edges.map(({ node }) => node)} />
        <Group label="Users" choices={users?.users.edges.map(({ node }) => node)} />
        <Group label="Deployments" choices={backends?.deployments.edges.map(({ node }) => toChoice(node))} />
        <Group label="Providers" choices={providers?.providers.edges.map(({ node }) => node)} />
        <Group
          label="Models of providers"
          choices={backends?.providers.edges.flatMap(({ node }) => node.models.map(toChoice))}
        />
      </select>
    </label>
  )
}

/** The input for what was chosen in the field. */
export function subjectInput(chosen: string): { installation: true } | { id: string } {
  return chosen === installation ? { installation: true } : { id: chosen }
}

interface Choice {
  readonly id: string
  readonly name: string
}

function Group({ label, choices = [] }: { readonly label: string; readonly choices?: readonly Choice[] | undefined }) {
  if (choices.length === 0) return null
  return (
    <optgroup label={label}>
      {choices.map(({ id, name }) => (
        <option key={id} value={id}>
          {name}
        </option>
      ))}
    </optgroup>
  )
}

function toChoice({ id, label }: { readonly id: string; readonly label: string }): Choice {
  return { id, name: label }
}
