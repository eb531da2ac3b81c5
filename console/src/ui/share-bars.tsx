import { percent } from './figures.ts'

export interface Share {
  readonly id: string
  readonly label: string
  readonly configured: number
  /** Null: nothing was observed. */
  readonly observed: number | null
}

/** Configured over observed, as two bars; the figures stand below them, in words for who does not see bars. */
export function ShareBars({
  shares,
  captions = ['configured', 'observed'],
}: {
  readonly shares: readonly Share[]
  readonly captions?: readonly [string, string]
}) {
  const hasObserved = shares.some(({ observed }) => observed !== null)
  return (
    <div className="share-bars">
      <Bar caption={captions[0]} parts={shares.map(({ id, configured }) => [id, configured])} />
      <Bar caption={captions[1]} parts={shares.map(({ id, observed }) => [id, observed ?? 0])} isEmpty={!hasObserved} />
      <ul className="legend">
        {shares.map(({ id, label, configured, observed }, index) => (
          <li key={id} className={`c${index % 8}`}>
            <i className="swatch" aria-hidden="true" />
            <span className="label">{label}</span>{' '}
            <span className="figures">
              {percent(configured)}
              {observed !== null && (
                <>
                  <span className="sr-only"> {captions[0]},</span>
                  <span aria-hidden="true"> → </span>
                  <b className={Math.abs(observed - configured) > 0.05 ? 'differs' : undefined}>{percent(observed)}</b>
                  <span className="sr-only"> {captions[1]}</span>
                </>
              )}
            </span>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Bar({
  caption,
  parts,
  isEmpty = false,
}: {
  readonly caption: string
  readonly parts: readonly (readonly [string, number])[]
  readonly isEmpty?: boolean
}) {
  return (
    <div className="bar-line" aria-hidden="true">
      <span className="bar-caption">{caption}</span>
      <div className={`bar${isEmpty ? ' bar-empty' : ''}`} data-bar={caption}>
        {parts.map(([id, share], index) => (
          <span key={id} className={`part c${index % 8}`} style={{ width: `${share * 100}%` }} data-share={share} />
        ))}
      </div>
    </div>
  )
}
