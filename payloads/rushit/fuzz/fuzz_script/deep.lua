local t for i = 1, 99 do t = {t} end deep = t e = error k = {[0.5] = -1}
