# SPDX-License-Identifier: GPL-2.0
#
# Draws what scripts/accuracy has computed. From there: work, out, titles, colors,
# regimes. Block r * 6 + a of the data is approach a in regime r.

set encoding utf8
set logscale y
set yrange [0.06:8e9]
# No error is between 0 and 1 ns: 0 is drawn at 0.1
set ytics ("0" 0.1, "1 ns" 1, "" 10, "" 100, "1 µs" 1e3, "" 1e4, "" 1e5, "1 ms" 1e6, \
	   "" 1e7, "" 1e8, "1 s" 1e9)
set grid ytics lc rgb "#dddddd" lw 1 lt 1
set border 3 lc rgb "#555555"
set tics nomirror
set bmargin 3
show(y) = y < 0.1 ? 0.1 : y

# Ours first; what is drawn later is narrower, so that nothing is hidden
array widths[6] = [5, 4, 3, 2, 1.5, 7]
do for [format in "svg png"] {
	if (format eq "svg") {
		set terminal svg size 1200,1350 font "sans,17" background "white"
	} else {
		set terminal pngcairo size 1200,1350 font "sans,12.5" background "white"
	}

	do for [plot in "time age"] {
		set output sprintf("%s/accuracy-%s.%s", out, plot, format)
		if (plot eq "time") {
			what = "Error over time: events read back 10 s later, the worst of each 4 s"
			unset logscale x
			set xrange [0:200]
			set xtics 50 format "%g s"
		} else {
			what = "Error over age: the worst of all events, read back 10 ms to 10 min later"
			set logscale x
			set xrange [0.008:800]
			set xtics ("10 ms" 0.01, "100 ms" 0.1, "1 s" 1, "10 s" 10, "1 min" 60, "10 min" 600)
		}
		set multiplot layout 3,2 margins 0.07,0.97,0.04,0.885 spacing 0.08,0.075
		set label 1 what at screen 0.5,0.975 center font sprintf("sans:Bold,%d", format eq "svg" ? 19 : 14)
		do for [r = 1:6] {
			set title sprintf("%s", regimes[r]) offset 0,-0.3
			if (r == 1) {
				set key at screen 0.5,0.945 center maxrows 2 width 2 samplen 3 Left reverse
			} else {
				unset key
				unset label 1
			}
			plot for [a in "6 1 2 3 4 5"] sprintf("%s/%s.dat", work, plot) index (r - 1) * 6 + int(a) - 1 \
				using 1:(show($2)) with linespoints lc rgb colors[int(a)] \
				lw widths[int(a)] pt (int(a) == 6 ? 7 : int(a) + 7) \
				ps (plot eq "time" ? 0.1 : int(a) == 6 ? 1.5 : 1) title titles[int(a)]
		}
		unset multiplot
	}
}
