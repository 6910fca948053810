"""The phrase book of placement: what each phrase means, in English, German, French, Spanish and Chinese.

Small letters, no accents; articles in a text are passed over, contractions taken apart. The meanings are the names of
`imaging.placement.text_placement`, and:

left?   a word with other meanings too: counts at the end of a clause, and beside a corner, a wall, a depth
+on     comes right after its thing, as Chinese has it; where it does not, the phrase's next meaning counts
at      "on" where it is a wall, else "next to"
near    under, opposite: beside something on the floor, even where next_to would hang it beside a picture
hang    makes "over the sofa" a place on the wall; stand makes "at the wall" one on the floor
raised  a thing with a top that carries others; thing is any other thing, whole is nothing to stand beside
(none)  what only looks like words of place
"""

PHRASES = """
# English
left: on left, to left, at left, in left, left side, left hand side, left third, left half, left edge, far left
left: on left wall, bottom left, lower left, top left, upper left, on left of picture, on left side of picture
left: left side of picture
right: on right, to right, at right, in right, right side, right hand side, right third, right half, right edge
right: far right, on right wall, bottom right, lower right, top right, upper right, on right of picture
right: on right side of picture, right side of picture
left?: left
right?: right
center: centre, center, middle, middle of
front: front, foreground, bottom left, bottom right, lower left, lower right, close to camera, near camera
back: back, background, rear, far end, far wall, far corner, far left corner, far right corner, top left, top right
back: upper left, upper right
corner: corner, far corner, far left corner, far right corner
left_of: left of, left side of, to left of, on left of, on left side of, on left hand side of, left from
right_of: right of, right side of, to right of, on right of, on right side of, on right hand side of, right from
next_to: next to, beside, between, near, by, close to, alongside, adjacent to, along, against, not far from
in_front_of: in front of
behind: behind, in back of
on: on, onto, on top of, upon, atop, middle of, on left wall, on right wall
at: at
near: under, underneath, below, beneath, opposite, across from, facing
above: above, over
thing: window, windows, plant, houseplant, tree, potted plant, door, doorway, fireplace, tv, television, bookshelf
thing: bookcase, wardrobe, radiator, stairs, staircase, fridge, bathtub, ceiling
raised: sofa, couch, settee, loveseat, bed, chair, armchair, stool, table, tabletop, desk, coffee table, side table
raised: counter, countertop, sideboard, dresser, nightstand, mantel, mantelpiece, tv stand, windowsill, window sill
raised: shelf, shelves, kitchen island, cabinet, piano, worktop
rug: rug, carpet
wall: wall, walls, far wall, on left wall, on right wall
picture: picture, pictures, painting, paintings, artwork, frame, frames, mirror, poster
whole: room, living room, bedroom, bathroom, dining room, kitchen, photo, image, scene, space, it, itself, them, him
whole: her, me, product, us, you, camera, viewer, kamera, betrachter, camara, objectif, spectateur, espectador
floor: floor, ground
hang: hang, hung, mount, mounted
stand: lean, leaning, stand, standing
not: not, don t, doesn t, shouldn t, never, avoid, without, instead of, rather than, away from, far from, no, except
but: but, instead
or: or, nor
: don t forget, do not forget, not only, table lamp, floor lamp, floor plan, all right, right away, right now
: right size, right scale, right place, right spot, right position, right way, right chair, right product
: right height, right proportions, right angle, right light, right colour, right color, right perspective, it right
: looks right, look right, just right, is left, are left, be left, was left, been left, space left, room left
: left over, left alone, by hand, by itself, by far, by default, by side, by product, made by, lit by, by daylight
: near future, over there, against background, against white background, against backdrop, between 0, between 1
: between 2, along with, by using, the links, html links, no links, any links, these links, and links, links to
: links below, its back, back to wall, front view, front side, front facing, from front, back side, back view
: put back, over time, all over, look at, at all

# German
left: links, linke seite, linken seite, linken drittel, linke halfte, linken halfte, linken rand
right: rechts, rechte seite, rechten seite, rechten drittel, rechte halfte, rechten halfte, rechten rand
left?: linke, linken, linker, linkes
right?: rechte, rechten, rechter, rechtes
center: mitte, mittig, zentrum, mitte de, mitte von
front: vorne, vorn, vordergrund, vordere, vorderen, unten
back: hinten, hintergrund, hintere, hinteren, ruckwand
corner: ecke, zimmerecke, raumecke
left_of: links von, links neben, links de, linken seite de, linken seite von
right_of: rechts von, rechts neben, rechts de, rechten seite de, rechten seite von
next_to: neben, zwischen, nahe, bei, seitlich von, in der nahe von, in der nahe de, entlang, gegen, nicht weit von
in_front_of: vor
behind: hinter
on: auf, mitte de, mitte von
at: an der, an die, an den, an dem, an das
near: unter, unterhalb, gegenuber, gegenueber
above: uber, ueber, oberhalb
thing: fenster, fensters, pflanze, zimmerpflanze, topfpflanze, baum, tur, tuer, kamin, kamins, fernseher, fernsehers
thing: bucherregal, schrank, schranks, heizung, heizkorper, treppe, kuhlschrank, badewanne, decke
raised: sofas, bett, bettes, stuhl, stuhls, sessel, sessels, hocker, tisch, tisches, couchtisch, couchtisches
raised: esstisch, beistelltisch, schreibtisch, kommode, anrichte, nachttisch, fensterbank, fensterbrett, regal, regals
raised: kochinsel, klavier, kucheninsel, kuchentisch, arbeitsplatte
rug: teppich, teppichs
wall: wand, ruckwand
picture: bild, bilder, bildes, bildern, gemalde, spiegel, spiegels
whole: zimmer, zimmers, raum, raums, raumes, wohnzimmer, foto, fotos, ihm, ihn, ihr, ihnen, produkt
floor: boden, fussboden
hang: hange, hangen, hangt, haenge, haengen, aufhangen, montiere, montieren
stand: stell, stelle, stellen, steht, stehen, lehn, lehne, lehnen, lehnt
not: nicht, kein, keine, keinen, nie, niemals, ohne, vermeide, statt, anstatt, ausser, weg von, fern von
but: sondern, aber
or: oder, noch
: bei tageslicht, bei licht, bei bedarf, bei tag, bei nacht, nicht vergessen, nicht nur, in dem bild, auf dem bild
: vor allem, uber alles, auf jeden fall

# French
left: a gauche, de gauche, cote gauche, sur gauche, vers gauche, en bas a gauche
right: a droite, de droite, cote droit, sur droite, vers droite, en bas a droite
left?: gauche
right?: droite, droit
center: centre, milieu, milieu de, centre de
front: premier plan, avant, en bas a gauche, en bas a droite
back: arriere plan, arriere, a le fond, de le fond, de fond
corner: coin, angle
left_of: a gauche de, cote gauche de
right_of: a droite de, cote droit de
next_to: a cote de, entre, pres de, proche de, contre, long de, non loin de, pas loin de
in_front_of: devant
behind: derriere
on: sur, milieu de, centre de
near: sous, dessous de, en face de, face a
above: dessus de
thing: fenetre, fenetres, baie vitree, plante, arbre, porte, cheminee, television, televiseur, tele, bibliotheque
thing: armoire, placard, radiateur, escalier, escaliers, frigo, baignoire, plafond
raised: canape, divan, lit, chaise, fauteuil, tabouret, table basse, bureau, commode, buffet, comptoir
raised: table de chevet, rebord de fenetre, etagere, etageres, ilot, piano
rug: tapis, moquette
wall: mur, murs
picture: tableau, tableaux, cadre, miroir, affiche
whole: piece, salon, chambre, cuisine, photo, image, lui, elle, moi, produit
floor: sol, plancher, parquet
hang: accroche, accrocher, accrochez, suspendre, suspends, suspendez, a le mur
not: ne, n, pas, jamais, sans, evite, eviter, evitez, lieu de, plutot que, loin de, ni
but: mais
or: ou
: lampe de table, tout droit, bien droit, ligne droite, angle droit, fond blanc, sur fond, en avant

# Spanish
left: izquierda, lado izquierdo
right: derecha, lado derecho
left?: izquierdo
right?: derecho
center: centro, medio, centro de, medio de
front: primer plano, delante, frente, adelante, abajo
back: a el fondo, en el fondo, de el fondo, fondo de, atras, segundo plano, trasera
corner: esquina, rincon
left_of: izquierda de, a izquierda de, lado izquierdo de
right_of: derecha de, a derecha de, lado derecho de
next_to: junto a, a lado de, a el lado de, cerca de, contra, pegado a, pegada a, no lejos de, a lo largo de
in_front_of: delante de, frente a
behind: detras de, detras
on: en, sobre, encima de, medio de, centro de
near: debajo de, bajo, enfrente de
above: por encima de, arriba de
thing: ventana, ventanas, ventanal, planta, arbol, puerta, chimenea, televisor, television, tele, libreria, armario
thing: radiador, escalera, escaleras, nevera, banera, techo
raised: cama, silla, sillon, butaca, taburete, mesa, mesita, mesilla, escritorio, comoda, aparador, encimera, alfeizar
raised: estante, estanteria, isla
rug: alfombra
wall: pared, muro
picture: cuadro, cuadros, espejo
whole: habitacion, sala, salon, dormitorio, cocina, cuarto, foto, imagen, ella, producto
floor: suelo, piso
hang: cuelga, cuelgalo, cuelgala, cuelgue, colgar, colgado, colgada
stand: apoya, apoyalo, apoyado, apoyada, apoyar
not: nunca, sin, evita, evitar, jamas, en lugar de, en vez de, lejos de
but: sino, pero
or: o
: lampara de mesa, todo derecho, angulo derecho, no olvides, fondo blanco, fondo de color

# Chinese
+left_of: 左边 左侧 左面 左方 左
+right_of: 右边 右侧 右面 右方 右
+in_front_of: 前面 前边 前方 面前 前
+behind: 后面 后边 后方 背后 后
+on: 上面 上边 上 中间 中央
+near: 下面 下方 底下 下 对面
+above: 上方
+next_to: 之间 旁边 旁 边 边上 附近 侧面
next_to: 靠近 靠着 靠 紧靠 挨着 贴着 沿着
left: 左边 左侧 左面 左方 左手边 左
right: 右边 右侧 右面 右方 右手边 右
center: 中间 中央 正中 中心 居中
front: 前面 前边 前方 前景 近处 靠前 下方 下角 前角
back: 后面 后边 后方 远处 靠后 背景 尽头 最里面 上角 后角
corner: 角落 墙角 屋角 上角 下角 前角 后角
thing: 窗 窗户 窗子 窗口 落地窗 植物 盆栽 绿植 树 门 电视 电视机 壁炉 暖气 楼梯 冰箱
thing: 衣柜 浴缸 钢琴 天花板
raised: 沙发 电视柜 床 椅子 椅 扶手椅 凳子 桌 桌子 桌面 茶几 书桌 餐桌 柜子 边柜 床头柜 台面 书架
raised: 架子 窗台 飘窗
rug: 地毯 毯子
wall: 墙 墙壁 墙面
picture: 画 挂画 装饰画 相框 镜子
whole: 房间 客厅 卧室 照片 图片 它 产品 镜头 相机
floor: 地 地板 地面
hang: 挂 悬挂
not: 不 不要 不能 别 避免 远离 而不是 没有
but: 而是 但 但是
or: 或 或者
: 左右 前后 上下 以前 之前 目前 以后 之后 以上 以下 角度 画面 画质 门店 树脂 床单 不远 不错 不仅
: 边框 特别 别墅 上传 背面
"""

CONTRACTIONS = {
    "vom": "von dem", "im": "in dem", "am": "an dem", "ans": "an das", "beim": "bei dem", "vorm": "vor dem",
    "aufs": "auf das", "ubers": "uber das", "unterm": "unter dem", "du": "de le", "des": "de les", "d": "de",
    "au": "a le", "aux": "a les", "del": "de el", "al": "a el",
}  # fmt: skip

ARTICLES = frozenset({
    "the", "my", "our", "your", "this", "that",
    "der", "die", "das", "den", "dem", "ein", "eine", "einen", "einem", "einer",
    "le", "la", "les", "l", "un", "une", "el", "los", "las", "una", "的",
})  # fmt: skip
