import { Link } from 'wouter'
import { BackendNames, backendsOf } from '../backends/backend-names.ts'
import { useConfigQuery } from '../live/config-version.tsx'
import { FilterChoices } from '../requests/request-documents.ts'
import { stories } from './stories.ts'
import { StoryCard } from './story-card.tsx'

/** The first hour as five buttons. */
export function StartScreen() {
  const backends = useConfigQuery(BackendNames, {})
  const routes = useConfigQuery(FilterChoices, {})
  const choices = {
    backend: backends.data ? backendsOf(backends.data).map(({ id, label }) => ({ id, name: label })) : [],
    route: routes.data?.routes.edges.map(({ node }) => node) ?? [],
  }
  return (
    <>
      <header>
        <h1>First steps</h1>
        <p className="hint">
          Each does what it says on this installation, and can be taken back. An application also needs a key of its
          own: <Link href="/access">Keys</Link>. Then <Link href="/try">try it</Link>.
        </p>
      </header>
      <div className="stories">
        {stories.map((story) => (
          <StoryCard key={story.id} story={story} choices={choices} />
        ))}
      </div>
    </>
  )
}
