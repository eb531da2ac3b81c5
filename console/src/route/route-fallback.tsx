import { words } from '../ui/figures.ts'
import type { RouteDetail } from './route-details.ts'
import { SetFallback } from './fallback-editor.tsx'

/** Where requests go whose target failed, in order. */
export function RouteFallback({ route }: { readonly route: RouteDetail }) {
  const { fallback } = route
  return (
    <section className="panel" aria-labelledby="fallback-title">
      <header>
        <h2 id="fallback-title">Fallback</h2>
        <SetFallback route={route} />
      </header>
      {fallback ? (
        <>
          <ol className="chain">
            {fallback.backends.map(({ id, label }) => (
              <li key={id}>{label}</li>
            ))}
          </ol>
          <p className="hint">
            At most {fallback.maxAttempts} attempts in all, before the first byte of an answer. It moves on for:{' '}
            {fallback.triggers.map(words).join(', ')}.
          </p>
        </>
      ) : (
        <p className="hint">None: a request whose target fails goes to another target with room, or fails.</p>
      )}
    </section>
  )
}
