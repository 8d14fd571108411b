// The texts beside a chart over time. Pure.

import { translate } from "../../i18n/catalogue";
import type { Reader } from "../../i18n/reader";
import { formatMetric } from "../../value/cell";
import { formatStep } from "../../value/date";
import { partText } from "../../value/step";
import { extremes, type Point, type Series } from "./shape";

/**
 * Names the incomplete steps and says what each lacks or may lack. Empty if all are complete. Steps without a
 * value are not drawn, so they are left out.
 */
export function partialSteps(series: Series, reader: Reader): string {
  const { language } = reader;
  const steps = series.points.flatMap(({ at, y, part }) =>
    part === null || y === null ? [] : [translate(language, "tile.partial", { step: formatStep(at, series.grain, reader), part: partText(part, reader) })],
  );
  return steps.length === 0 ? "" : translate(language, "tile.dashed", { steps: steps.join("; ") });
}

/** The chart as a sentence, for screen readers. */
export function seriesSummary(series: Series, title: string, reader: Reader): string {
  const { points, grain, format } = series;
  const found = extremes(points);
  const { language } = reader;
  if (!found) return translate(language, "summary.kpi", { title, value: translate(language, "tile.noValue") });
  const at = (point: Point | undefined) => (point ? formatStep(point.at, grain, reader) : "");
  const value = (point: Point) => formatMetric(point.value, format, reader);
  const partial = partialSteps(series, reader);
  const sentence = translate(language, "summary.series", {
    title,
    grain: translate(language, `grain.${grain ?? "day"}`),
    from: at(points[0]),
    to: at(points.at(-1)),
    first: value(found.first),
    last: value(found.last),
    max: value(found.max),
    maxAt: at(found.max),
    min: value(found.min),
    minAt: at(found.min),
  });
  return partial === "" ? sentence : `${sentence} ${partial}.`;
}
